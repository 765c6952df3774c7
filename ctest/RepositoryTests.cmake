# Tests of the repository itself: cheap, no stack, label repo.
add_test(NAME repo.layering
  COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR} -P ${PROJECT_SOURCE_DIR}/ctest/layering.cmake)
set_tests_properties(repo.layering PROPERTIES LABELS repo TIMEOUT 60)
add_test(NAME repo.ctest_contract
  COMMAND ${CMAKE_COMMAND} -DCTEST=${CMAKE_CTEST_COMMAND} -DBUILD=${CMAKE_BINARY_DIR} -P ${PROJECT_SOURCE_DIR}/ctest/contract.cmake)
set_tests_properties(repo.ctest_contract PROPERTIES LABELS repo TIMEOUT 60)
add_test(NAME repo.launcher
  COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR} -DWORK=${CMAKE_BINARY_DIR}/launcher_test
    -P ${PROJECT_SOURCE_DIR}/ctest/launcher.cmake)
set_tests_properties(repo.launcher PROPERTIES LABELS repo TIMEOUT 60)
