# Writes the cases of the suites for an installed kvtier: what gtest_discover_tests found, with the programs beside the
# file, results where `kvtier ctest` was called, and without the quick cases, which check a build.
#   discovered   file of the build with add_test() and set_tests_properties()
#   suites       file to write
#   programs     folder of the programs, seen from the folder of `suites`
cmake_policy(VERSION 3.25)
set(text "# Read by ctest, through the file that the command kvtier writes. Made by the build from the cases of kvtier_suites.\n")
set(names "")
set(count 0)
# The lines hold brackets, which a CMake list would take for its own.
file(READ "${discovered}" rest)
while(rest MATCHES "^([^\n]*)\n(.*)$")
  set(line "${CMAKE_MATCH_1}")
  set(rest "${CMAKE_MATCH_2}")
  if(line MATCHES "^add_test\\(\\[=\\[([^]]+)\\]=\\] .*kvtier_suites \\[==\\[(--gtest_filter=[^]]+)\\]==\\]")
    set(name "${CMAKE_MATCH_1}")
    set(filter "${CMAKE_MATCH_2}")
    if(name MATCHES "^Quick")
      continue()
    endif()
    string(REPLACE "/" "." file "${name}")
    string(APPEND text "add_test([=[${name}]=] \"\${CMAKE_CURRENT_LIST_DIR}/${programs}/kvtier_suites\" [==[${filter}]==] "
      "--gtest_also_run_disabled_tests \"--gtest_output=xml:\$ENV{KVTIER_CTEST_DIR}/gtest/${file}.xml\")\n"
      "set_tests_properties([=[${name}]=] PROPERTIES WORKING_DIRECTORY \"\$ENV{KVTIER_WORKING_DIR}\"\n"
      "  SKIP_REGULAR_EXPRESSION [==[\\[  SKIPPED \\]]==])\n")
    string(APPEND names "\n  [=[${name}]=]")
    math(EXPR count "${count}+1")
  endif()
endwhile()
if(count EQUAL 0)
  message(FATAL_ERROR "${discovered} has no case of kvtier_suites that could be installed")
endif()
string(APPEND text "set(kvtier_suite_tests${names})\ninclude(\"\${CMAKE_CURRENT_LIST_DIR}/suite_properties.cmake\")\n")
file(WRITE "${suites}" "${text}")
file(CHMOD "${suites}" PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
