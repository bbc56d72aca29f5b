"""The C++ client as a Conan 2 package."""

import os
from typing import ClassVar

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rmdir


class MaskbusConan(ConanFile):
    """Builds maskbus::client, which is headers alone, and maskbus::shm, a static library."""

    name = "maskbus"
    license = "Apache-2.0"
    description = "C++ client of maskbus, a ZeroMQ message bus for promptable segmentation"
    topics = ("segmentation", "zeromq", "robotics", "msgpack")
    package_type = "static-library"
    settings = "os", "compiler", "build_type", "arch"
    options: ClassVar = {"with_zlib": [True, False], "fPIC": [True, False]}
    default_options: ClassVar = {"with_zlib": True, "fPIC": True, "msgpack-cxx/*:use_boost": False}
    exports = "VERSION"
    exports_sources = "CMakeLists.txt", "LICENSE", "VERSION", "cmake/*", "include/*", "src/*"
    implements: ClassVar = ["auto_shared_fpic"]

    def set_version(self) -> None:
        """Take the version from the file that the build takes it from."""
        self.version = load(self, os.path.join(self.recipe_folder, "VERSION")).strip()

    def layout(self) -> None:
        """Lay out as any CMake project."""
        cmake_layout(self)

    def requirements(self) -> None:
        """Name what the headers include."""
        self.requires("cppzmq/4.10.0", transitive_headers=True)
        self.requires("msgpack-cxx/7.0.0", transitive_headers=True)
        if self.options.with_zlib:
            self.requires("zlib/[>=1.2.11 <2]", transitive_headers=True)

    def validate(self) -> None:
        """Refuse a compiler that is told to be older than C++17."""
        check_min_cppstd(self, 17)

    def generate(self) -> None:
        """Write what CMake finds the requirements by."""
        toolchain = CMakeToolchain(self)
        toolchain.user_presets_path = False
        toolchain.cache_variables["MASKBUS_BUILD_TESTS"] = False
        toolchain.cache_variables["MASKBUS_BUILD_EXAMPLES"] = False
        toolchain.cache_variables["MASKBUS_WITH_ZLIB"] = "ON" if self.options.with_zlib else "OFF"
        toolchain.generate()
        CMakeDeps(self).generate()

    def build(self) -> None:
        """Build the static library."""
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self) -> None:
        """Install without the files by which others than Conan find the package."""
        CMake(self).install()
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        rmdir(self, os.path.join(self.package_folder, "lib", "cmake"))
        rmdir(self, os.path.join(self.package_folder, "lib", "pkgconfig"))

    def package_info(self) -> None:
        """Describe both targets under the names that find_package(maskbus) gives them."""
        client = self.cpp_info.components["client"]
        client.set_property("cmake_target_name", "maskbus::client")
        client.set_property("pkg_config_name", "maskbus")
        client.libdirs = []
        client.bindirs = []
        client.requires = ["cppzmq::cppzmq", "msgpack-cxx::msgpack-cxx"]
        client.defines = ["MSGPACK_NO_BOOST"]
        if self.options.with_zlib:
            client.requires.append("zlib::zlib")
            client.defines.append("MASKBUS_WITH_ZLIB=1")
        if self.settings.os in ("Linux", "FreeBSD"):
            client.system_libs = ["pthread"]
        shm = self.cpp_info.components["shm"]
        shm.set_property("cmake_target_name", "maskbus::shm")
        shm.set_property("pkg_config_name", "maskbus-shm")
        shm.libs = ["maskbus_shm"]
        shm.requires = ["client"]
