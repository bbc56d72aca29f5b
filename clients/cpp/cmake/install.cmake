# find_package(maskbus), and .pc files for those who build without CMake. The installed tree may be moved.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
install(TARGETS maskbus_client maskbus_shm EXPORT maskbus-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})

set(config ${CMAKE_INSTALL_LIBDIR}/cmake/maskbus)
install(EXPORT maskbus-targets NAMESPACE maskbus:: DESTINATION ${config})
configure_package_config_file(cmake/maskbus-config.cmake.in maskbus-config.cmake INSTALL_DESTINATION ${config})
write_basic_package_version_file(maskbus-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/maskbus-config.cmake ${PROJECT_BINARY_DIR}/maskbus-config-version.cmake
              ${PROJECT_SOURCE_DIR}/cmake/maskbus-dependencies.cmake DESTINATION ${config})

# libzmq's and zlib's own .pc files are everywhere; those of cppzmq and msgpack are not, so their folders are named here
# unless every compiler looks there.
set(MASKBUS_PC_REQUIRES libzmq)
set(MASKBUS_PC_CFLAGS -DMSGPACK_NO_BOOST -pthread)
if(MASKBUS_ZLIB)
    string(APPEND MASKBUS_PC_REQUIRES ", zlib")
    list(APPEND MASKBUS_PC_CFLAGS -DMASKBUS_WITH_ZLIB=1)
endif()
foreach(header IN ITEMS zmq.hpp msgpack.hpp)
    string(MAKE_C_IDENTIFIER "MASKBUS_FOLDER_OF_${header}" folder)
    find_path(${folder} ${header})
    mark_as_advanced(${folder})
    if(${folder} AND NOT ${folder} IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
        list(APPEND MASKBUS_PC_CFLAGS "-isystem ${${folder}}")
    endif()
endforeach()
list(REMOVE_DUPLICATES MASKBUS_PC_CFLAGS)
list(JOIN MASKBUS_PC_CFLAGS " " MASKBUS_PC_CFLAGS)
file(RELATIVE_PATH MASKBUS_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
foreach(pc IN ITEMS maskbus.pc maskbus-shm.pc)
    configure_file(cmake/${pc}.in ${pc} @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${pc} DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
