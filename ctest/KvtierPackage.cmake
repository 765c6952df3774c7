# What is installed, and the Debian packages that cpack makes of it (docs/packages.md). Component `kvtier` is the whole
# product: it needs nothing of this tree, and nothing in it knows where it was built.
#   bin/kvtier                    the command
#   lib/kvtier                    the programs, side by side: that is how they find each other
#   share/kvtier                  profiles, and the suites as ctest reads them
#   share/doc/kvtier              README and docs
set(kvtier_programs lib/kvtier)
set(kvtier_data share/kvtier)
set(kvtier_doc share/doc/kvtier)
set(kvtier_packaging ${PROJECT_SOURCE_DIR}/ctest/packages)
set(KVTIER_MAINTAINER "kvtier maintainers <maintainers@kvtier.invalid>" CACHE STRING "name and address in the packages")
set(KVTIER_PACKAGE_REVISION 1 CACHE STRING "revision of the packages of one version")

install(TARGETS kvtier kvtier-worker kvtier-frontend kvtier_suites RUNTIME DESTINATION ${kvtier_programs} COMPONENT kvtier)
install(PROGRAMS ${kvtier_packaging}/kvtier.sh DESTINATION bin RENAME kvtier COMPONENT kvtier)
set(kvtier_executable OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
install(DIRECTORY fixtures/profiles DESTINATION ${kvtier_data}/fixtures COMPONENT kvtier
  PATTERN "*_up.sh" PERMISSIONS ${kvtier_executable}
  PATTERN "stop.sh" PERMISSIONS ${kvtier_executable})
# A program looks for profiles beside and above itself; data that fits every architecture lies below share.
install(CODE "file(MAKE_DIRECTORY \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${kvtier_programs}\")
  file(CREATE_LINK ../../${kvtier_data}/fixtures \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${kvtier_programs}/fixtures\" SYMBOLIC)"
  COMPONENT kvtier)

# The cases of the suites: what the build discovered, without where it was built.
install(FILES ctest/suite_properties.cmake DESTINATION ${kvtier_data}/ctest COMPONENT kvtier)
install(CODE "set(discovered \"${CMAKE_BINARY_DIR}/suites/kvtier_suites[1]_tests.cmake\")
  set(suites \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${kvtier_data}/ctest/suites.cmake\")
  set(programs ../../../${kvtier_programs})
  include(\"${kvtier_packaging}/install_suites.cmake\")" COMPONENT kvtier)

install(FILES README.md DESTINATION ${kvtier_doc} COMPONENT kvtier)
install(DIRECTORY docs DESTINATION ${kvtier_doc} COMPONENT kvtier)
install(FILES fixtures/images/README.md DESTINATION ${kvtier_doc}/fixtures/images COMPONENT kvtier)
install(FILES ${kvtier_packaging}/copyright DESTINATION ${kvtier_doc} COMPONENT kvtier)
install(FILES ${kvtier_packaging}/lintian-overrides DESTINATION share/lintian/overrides RENAME kvtier COMPONENT kvtier)
find_program(KVTIER_GZIP gzip)
mark_as_advanced(KVTIER_GZIP)
function(kvtier_install_compressed source destination name)
  if(KVTIER_GZIP)
    install(CODE "set(folder \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${destination}\")
      file(MAKE_DIRECTORY \"\${folder}\")
      execute_process(COMMAND \"${KVTIER_GZIP}\" -9 --no-name --stdout \"${source}\" OUTPUT_FILE \"\${folder}/${name}.gz\"
        COMMAND_ERROR_IS_FATAL ANY)
      file(CHMOD \"\${folder}/${name}.gz\" PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)" COMPONENT kvtier)
  endif()
endfunction()
kvtier_install_compressed(${kvtier_packaging}/kvtier.1 share/man/man1 kvtier.1)
kvtier_install_compressed(${kvtier_packaging}/changelog ${kvtier_doc} changelog.Debian)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME kvtier)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "decides with evidence whether an SSD tier for the KV cache pays off")
set(CPACK_PACKAGE_DESCRIPTION "kvtier runs a serving stack for large language models with its KV cache in
GPU memory alone, with host memory, and with host memory and an SSD, and
decides whether the SSD makes serving better: engine counters, disk I/O and
answers have to agree before a difference in latency counts. It ends with a
verdict, its interval and its evidence.

The reference stack that comes with it needs neither a GPU nor a network.
Dynamo with TensorRT-LLM, trtllm-serve, and every server with an
OpenAI-compatible URL are other back ends.")
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_CMAKE_PROJECTS "${CMAKE_BINARY_DIR};kvtier;kvtier;/")
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS ${kvtier_executable})
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${KVTIER_PACKAGE_REVISION})
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "${KVTIER_MAINTAINER}")
set(CPACK_DEBIAN_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
# Libraries come from dpkg-shlibdeps; ctest, through which an experiment runs, from the package cmake.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS cmake)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "fio, nvme-cli, smartmontools")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "docker.io, librsvg2-bin, nats-server, python3")
set(architecture ${CMAKE_SYSTEM_PROCESSOR})
string(REPLACE "x86_64" "amd64" architecture "${architecture}")
string(REPLACE "aarch64" "arm64" architecture "${architecture}")
set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE ${architecture})
if(CMAKE_CROSSCOMPILING)
  set(kvtier_sysroot ${CMAKE_SYSROOT})
  configure_file(${kvtier_packaging}/shlibdeps.sh.in ${CMAKE_BINARY_DIR}/shlibdeps.sh @ONLY
    FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
  file(WRITE ${CMAKE_BINARY_DIR}/cpack_project.cmake "set(SHLIBDEPS_EXECUTABLE \"${CMAKE_BINARY_DIR}/shlibdeps.sh\")\n")
  set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_BINARY_DIR}/cpack_project.cmake)
endif()
include(CPack)

# Installs the package that `./kvtier package` made in a tree of Debian, and uses it there.
set(package kvtier_${PROJECT_VERSION}-${KVTIER_PACKAGE_REVISION}_${architecture}.deb)
add_test(NAME soak.package COMMAND sh ${kvtier_packaging}/try.sh ${PROJECT_SOURCE_DIR}/build/packages/${package}
  ${PROJECT_SOURCE_DIR}/build/package_trees)
set_tests_properties(soak.package PROPERTIES LABELS soak TIMEOUT 3600 SKIP_RETURN_CODE 77 RUN_SERIAL ON)
