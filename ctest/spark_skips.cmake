# cmake -DCTEST=<ctest> -DBUILD=<dir> -DWORK=<folder> -P spark_skips.cmake : on a machine that is no Spark every case of `ctest -L spark`
# skips with one reason and ctest passes; with KVTIER_REQUIRE=spark each of them fails with that reason. A stand-in for
# nvidia-smi makes any machine one without a Spark.
cmake_policy(VERSION 3.25)
file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}/bin")
file(WRITE "${WORK}/bin/nvidia-smi" "#!/bin/sh\necho 'No GPU of this test'\n")
file(CHMOD "${WORK}/bin/nvidia-smi" PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
# A folder of its own: ctest keeps one log a folder, and this runs inside ctest.
file(WRITE "${WORK}/CTestTestfile.cmake" "subdirs(\"${BUILD}\")\n")

function(run_spark expected_code out)
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -E env --unset=BENCH_BACKEND --unset=KVTIER_BACKEND --unset=KVTIER_REQUIRE
      "PATH=${WORK}/bin:$ENV{PATH}" ${ARGN} "KVTIER_RESULTS_ROOT=${WORK}/results"
      "${CTEST}" --test-dir "${WORK}" -L "^spark$" --verbose
    RESULT_VARIABLE code OUTPUT_VARIABLE text ERROR_VARIABLE text)
  if(expected_code STREQUAL "0" AND NOT code EQUAL 0)
    message(SEND_ERROR "ctest -L spark exited ${code} where it had to pass:\n${text}")
  elseif(NOT expected_code STREQUAL "0" AND code EQUAL 0)
    message(SEND_ERROR "ctest -L spark passed although KVTIER_REQUIRE=spark:\n${text}")
  endif()
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

run_spark(0 skipped)
string(REGEX MATCHALL "\\*\\*\\*Skipped" skips "${skipped}")
list(LENGTH skips skipped_count)
string(REGEX MATCH "tests passed, 0 tests failed out of ([0-9]+)" ignored "${skipped}")
if(skipped_count EQUAL 0 OR NOT CMAKE_MATCH_1 EQUAL skipped_count)
  message(SEND_ERROR "${skipped_count} of '${CMAKE_MATCH_1}' cases skipped:\n${skipped}")
endif()
string(REPLACE ";" "," one_element_a_line "${skipped}")  # the reason has a semicolon of its own
string(REGEX MATCHALL "this machine is no DGX Spark[^\n]*" reasons "${one_element_a_line}")
list(LENGTH reasons said)
list(REMOVE_DUPLICATES reasons)
list(LENGTH reasons kinds)
if(NOT kinds EQUAL 1 OR said LESS skipped_count)
  message(SEND_ERROR "${skipped_count} cases skipped; the reason was said ${said} times in ${kinds} forms: ${reasons}\n${skipped}")
endif()

run_spark(failure required "KVTIER_REQUIRE=spark")
string(REGEX MATCHALL "\\*\\*\\*Failed" failures "${required}")
string(REGEX MATCHALL "\\*\\*\\*Not Run" blocked "${required}")  # their setup failed
list(LENGTH failures failed_count)
list(LENGTH blocked blocked_count)
math(EXPR not_passed "${failed_count}+${blocked_count}")
if(required MATCHES "   Passed " OR required MATCHES "\\*\\*\\*Skipped" OR NOT not_passed EQUAL skipped_count)
  message(SEND_ERROR "KVTIER_REQUIRE=spark: ${failed_count} failed, ${blocked_count} not run of ${skipped_count}:\n${required}")
endif()
if(NOT required MATCHES "this machine is no DGX Spark")
  message(SEND_ERROR "KVTIER_REQUIRE=spark does not say why:\n${required}")
endif()
message(STATUS "${skipped_count} cases skip with one reason (${reasons}), or fail where the Spark is required")
