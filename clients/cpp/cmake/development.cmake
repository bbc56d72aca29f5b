# What maskbus's own libraries, tests and examples are held to; nothing of it reaches whoever links them.

set(maskbus_own_options "")
if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
    list(APPEND maskbus_own_options -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
    if(MASKBUS_WERROR)
        list(APPEND maskbus_own_options -Werror)
    endif()
elseif(MSVC)
    list(APPEND maskbus_own_options /W4 /permissive-)
    if(MASKBUS_WERROR)
        list(APPEND maskbus_own_options /WX)
    endif()
endif()

# Applies them to a target of this build.
function(maskbus_own target)
    target_compile_options(${target} PRIVATE ${maskbus_own_options})
    if(MASKBUS_SANITIZE)
        set(sanitize -fsanitize=${MASKBUS_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
        target_compile_options(${target} PRIVATE ${sanitize})
        target_link_options(${target} PRIVATE ${sanitize})
    endif()
endfunction()

# Lets a test, or what it starts, see the sanitizers' settings.
function(maskbus_own_test test)
    set_tests_properties(
        ${test}
        PROPERTIES
            TIMEOUT 120
            ENVIRONMENT
            "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/cmake/tsan.supp:halt_on_error=1;UBSAN_OPTIONS=print_stacktrace=1"
    )
endfunction()

# Makes `target` of modules of OpenCV, unless MASKBUS_WITH_OPENCV is OFF or one of them is missing. Debian's packages of
# single modules have no CMake config; the headers and libraries are looked for where that is so.
function(maskbus_find_opencv target)
    if(NOT MASKBUS_WITH_OPENCV)
        return()
    endif()
    find_package(OpenCV QUIET COMPONENTS ${ARGN})
    if(OpenCV_FOUND)
        set(include ${OpenCV_INCLUDE_DIRS})
        set(libraries ${OpenCV_LIBS})
    else()
        set(include "")
        set(libraries "")
        foreach(module IN LISTS ARGN)
            find_path(MASKBUS_OPENCV_${module}_INCLUDE_DIR opencv2/${module}.hpp PATH_SUFFIXES opencv4)
            find_library(MASKBUS_OPENCV_${module} opencv_${module})
            mark_as_advanced(MASKBUS_OPENCV_${module}_INCLUDE_DIR MASKBUS_OPENCV_${module})
            if(NOT MASKBUS_OPENCV_${module}_INCLUDE_DIR OR NOT MASKBUS_OPENCV_${module})
                return()
            endif()
            list(APPEND include ${MASKBUS_OPENCV_${module}_INCLUDE_DIR})
            list(APPEND libraries ${MASKBUS_OPENCV_${module}})
        endforeach()
    endif()
    add_library(${target} INTERFACE IMPORTED)
    target_include_directories(${target} INTERFACE ${include})
    target_link_libraries(${target} INTERFACE ${libraries})
endfunction()

# Makes sure of `target`, a library of headers alone: by its package config, or by the header itself.
function(maskbus_find_headers target package header debian)
    find_package(${package} CONFIG QUIET)
    if(TARGET ${target})
        return()
    endif()
    find_path(MASKBUS_${package}_INCLUDE_DIR ${header})
    mark_as_advanced(MASKBUS_${package}_INCLUDE_DIR)
    if(NOT MASKBUS_${package}_INCLUDE_DIR)
        message(FATAL_ERROR "maskbus needs ${header} for its tests (Debian: ${debian}), or MASKBUS_BUILD_TESTS=OFF.")
    endif()
    add_library(${target} INTERFACE IMPORTED)
    target_include_directories(${target} INTERFACE ${MASKBUS_${package}_INCLUDE_DIR})
endfunction()
