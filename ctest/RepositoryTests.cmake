# Tests of the repository itself: cheap, no stack, label repo.
add_test(NAME repo.layering
  COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR} -P ${PROJECT_SOURCE_DIR}/ctest/layering.cmake)
set_tests_properties(repo.layering PROPERTIES LABELS repo TIMEOUT 240)
add_test(NAME repo.ctest_contract
  COMMAND ${CMAKE_COMMAND} -DCTEST=${CMAKE_CTEST_COMMAND} -DBUILD=${CMAKE_BINARY_DIR} -P ${PROJECT_SOURCE_DIR}/ctest/contract.cmake)
set_tests_properties(repo.ctest_contract PROPERTIES LABELS repo TIMEOUT 240)
add_test(NAME repo.no_shell
  COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR} -DWORK=${CMAKE_BINARY_DIR}/no_shell_test
    -P ${PROJECT_SOURCE_DIR}/ctest/no_shell.cmake)
set_tests_properties(repo.no_shell PROPERTIES LABELS repo TIMEOUT 240)
add_test(NAME repo.loopback
  COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR} -P ${PROJECT_SOURCE_DIR}/ctest/loopback.cmake)
set_tests_properties(repo.loopback PROPERTIES LABELS repo TIMEOUT 240)
add_test(NAME repo.launcher
  COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR} -DWORK=${CMAKE_BINARY_DIR}/launcher_test
    -P ${PROJECT_SOURCE_DIR}/ctest/launcher.cmake)
set_tests_properties(repo.launcher PROPERTIES LABELS repo TIMEOUT 240)
add_test(NAME repo.images
  COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR} -DWORK=${CMAKE_BINARY_DIR}/images_test
    -P ${PROJECT_SOURCE_DIR}/ctest/images.cmake)
set_tests_properties(repo.images PROPERTIES LABELS repo TIMEOUT 240)
add_test(NAME repo.package
  COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR} -DWORK=${CMAKE_BINARY_DIR}/package_test
    -P ${PROJECT_SOURCE_DIR}/ctest/package.cmake)
set_tests_properties(repo.package PROPERTIES LABELS repo TIMEOUT 240)
# Builds them, or exercises their steps; installs packages in trees of its own, so it takes a network and some minutes.
foreach(image bench harness)
  add_test(NAME soak.images.${image}
    COMMAND sh ${PROJECT_SOURCE_DIR}/fixtures/images/exercise.sh ${image} ${CMAKE_BINARY_DIR}/images)
  set_tests_properties(soak.images.${image} PROPERTIES LABELS soak TIMEOUT 7200 SKIP_RETURN_CODE 77 RUN_SERIAL ON)
endforeach()
foreach(check troubleshooting docs)
  add_test(NAME repo.${check}
    COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR} -DWORK=${CMAKE_BINARY_DIR}/${check}_test
      -P ${PROJECT_SOURCE_DIR}/ctest/${check}.cmake)
  set_tests_properties(repo.${check} PROPERTIES LABELS repo TIMEOUT 240)
endforeach()
# Runs ctest on the suites' Spark cases twice.
add_test(NAME repo.spark_skips
  COMMAND ${CMAKE_COMMAND} -DCTEST=${CMAKE_CTEST_COMMAND} -DBUILD=${CMAKE_BINARY_DIR} -DWORK=${CMAKE_BINARY_DIR}/spark_skips_test
    -P ${PROJECT_SOURCE_DIR}/ctest/spark_skips.cmake)
set_tests_properties(repo.spark_skips PROPERTIES LABELS repo TIMEOUT 300)
