"""Build and run a consumer of the Conan package."""

import os

from conan import ConanFile
from conan.tools.build import can_run
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout


class MaskbusTestConan(ConanFile):
    """The consumer is the one that finds an installed package."""

    settings = "os", "compiler", "build_type", "arch"
    generators = "CMakeDeps"

    def requirements(self) -> None:
        """Require the package under test."""
        self.requires(self.tested_reference_str)

    def layout(self) -> None:
        """Lay out as any CMake project."""
        cmake_layout(self, src_folder=os.path.join(os.pardir, "consumers", "find_package"))

    def generate(self) -> None:
        """Write the toolchain, and nothing into the consumer's folder."""
        toolchain = CMakeToolchain(self)
        toolchain.user_presets_path = False
        toolchain.generate()

    def build(self) -> None:
        """Build the consumer."""
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def test(self) -> None:
        """Run it, where its programs run."""
        if can_run(self):
            self.run(os.path.join(self.cpp.build.bindir, "consumer"), env="conanrun")
