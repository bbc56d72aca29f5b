# 64-bit Windows from another system: MinGW-w64 with POSIX threads, whose standard library has std::thread.
# libzmq and the header-only libraries lie under $MASKBUS_MINGW_PREFIX.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_VERSION 10.0) # libzmq asks
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc-posix)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)

set(CMAKE_FIND_ROOT_PATH /usr/x86_64-w64-mingw32 $ENV{MASKBUS_MINGW_PREFIX})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# The programs run without the toolchain's DLLs beside them.
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
find_program(MASKBUS_WINE NAMES wine64 wine)
if(MASKBUS_WINE)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${MASKBUS_WINE})
endif()
