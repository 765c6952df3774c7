# The distribution's cross compiler over a tree of arm64 packages that ctest/toolchains/sysroot.sh unpacks (./kvtier cross).
# Built programs run under qemu-user: test discovery at build time, and ctest.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(triplet aarch64-linux-gnu)

set(KVTIER_SYSROOT "${CMAKE_CURRENT_LIST_DIR}/../../build/sysroot-arm64" CACHE PATH "tree of arm64 packages")
get_filename_component(CMAKE_SYSROOT "${KVTIER_SYSROOT}" ABSOLUTE)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES KVTIER_SYSROOT)
if(NOT EXISTS "${CMAKE_SYSROOT}/usr/include/stdio.h" AND NOT EXISTS "${CMAKE_SYSROOT}/usr/include/${triplet}/bits/stdio.h")
  message(FATAL_ERROR "there are no arm64 packages in ${CMAKE_SYSROOT}: ./kvtier cross unpacks them")
endif()

find_program(KVTIER_AARCH64_CXX NAMES ${triplet}-g++ ${triplet}-g++-12 REQUIRED)
set(CMAKE_CXX_COMPILER "${KVTIER_AARCH64_CXX}")
set(CMAKE_LIBRARY_ARCHITECTURE ${triplet})
# A library's own libraries are looked for here as well, not on the machine that builds.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-Wl,-rpath-link,${CMAKE_SYSROOT}/usr/lib/${triplet}")
set(CMAKE_MODULE_LINKER_FLAGS_INIT "${CMAKE_EXE_LINKER_FLAGS_INIT}")

set(CMAKE_FIND_ROOT_PATH "${CMAKE_SYSROOT}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} "${CMAKE_SYSROOT}/usr/lib/${triplet}/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig")
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${CMAKE_SYSROOT}")

find_program(KVTIER_QEMU_AARCH64 NAMES qemu-aarch64-static qemu-aarch64 REQUIRED)
set(CMAKE_CROSSCOMPILING_EMULATOR "${KVTIER_QEMU_AARCH64};-L;${CMAKE_SYSROOT}")
