# The only ways this repository declares a target: kvtier_library, kvtier_program, kvtier_unit_tests, kvtier_suite,
# kvtier_fuzz, kvtier_benchmark.
include_guard(GLOBAL)
include(GoogleTest)

add_library(kvtier_flags INTERFACE)
target_compile_options(kvtier_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
  -Wnon-virtual-dtor -Woverloaded-virtual -Wold-style-cast -Wimplicit-fallthrough -Wformat=2 -Werror)
if(KVTIER_UNITY AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ takes a source within a batch for a header, and a local name that a neighbour has at file scope for a shadow.
  target_compile_options(kvtier_flags INTERFACE -Wno-subobject-linkage -Wno-shadow)
endif()
target_compile_definitions(kvtier_flags INTERFACE $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)
# The distribution's other linker needs less than half the time, and there are eighty programs to link.
include(CheckLinkerFlag)
check_linker_flag(CXX -fuse-ld=gold KVTIER_LINKS_WITH_GOLD)
if(KVTIER_LINKS_WITH_GOLD)
  add_link_options(-fuse-ld=gold)
endif()
# The same evidence gives the same figures to the last bit on every machine: nothing is fused into one rounding that the
# source does not fuse. Code for any x86-64 has no instruction for that; code for any arm64 has.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  target_compile_options(kvtier_flags INTERFACE -ffp-contract=off)
endif()
if(KVTIER_SANITIZE)
  add_compile_options(-fsanitize=${KVTIER_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${KVTIER_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 sees copies of moved strings out of bounds in instrumented code.
    add_compile_options(-Wno-array-bounds -Wno-stringop-overflow -Wno-restrict -Wno-maybe-uninitialized)
    if(KVTIER_SANITIZE STREQUAL "thread")
      add_compile_options(-Wno-tsan)  # Asio's fences are more than the sanitizer follows; its locks are enough for it
    endif()
  endif()
endif()

# What is timed (the client, the engine, the tiers, the hit model) is compiled with -O2, the rest with the preset's -O1:
# rules, reports and command lines run once, but made up half of a clean build.
set(kvtier_timed_flags $<$<CONFIG:Release>:-O2>)
# Unit tests run once, too, and GoogleTest's matchers are dear to optimise (docs/decisions/0002).
set(kvtier_test_flags $<$<CONFIG:Release>:-O0>)

# nlohmann's two literals are inline functions whose bodies make the compiler instantiate its whole parser again in every
# source that sees the header, used or not. Sources here name the function instead, so the builds use a copy of the header without them
# (docs/decisions/0002); a release of the library that looks different is used as it is.
function(kvtier_json_without_literals out)
  set(${out} "" PARENT_SCOPE)
  find_file(KVTIER_JSON_HEADER nlohmann/json.hpp)
  mark_as_advanced(KVTIER_JSON_HEADER)
  if(NOT KVTIER_JSON_HEADER)
    return()
  endif()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${KVTIER_JSON_HEADER})  # its details come with it
  file(READ ${KVTIER_JSON_HEADER} text)
  string(FIND "${text}" "inline namespace literals" begin)
  set(end_mark "}  // namespace literals")
  string(FIND "${text}" "${end_mark}" end)
  if(begin EQUAL -1 OR end LESS begin)
    message(STATUS "nlohmann/json.hpp keeps its literals: it is not the release that is known here")
    return()
  endif()
  string(LENGTH "${end_mark}" length)
  math(EXPR end "${end}+${length}")
  string(SUBSTRING "${text}" 0 ${begin} before)
  string(SUBSTRING "${text}" ${end} -1 after)
  string(REGEX REPLACE "\n[^\n]*using nlohmann::literals[^\n]*" "" after "${after}")
  set(folder ${CMAKE_BINARY_DIR}/include_json)
  set(copy ${folder}/nlohmann/json.hpp)
  set(written "")
  if(EXISTS ${copy})
    file(READ ${copy} written)
  endif()
  if(NOT written STREQUAL "${before}${after}")  # a new time stamp would build everything again
    file(WRITE ${copy} "${before}${after}")
  endif()
  set(${out} ${folder} PARENT_SCOPE)
endfunction()
kvtier_json_without_literals(kvtier_json_include)
if(kvtier_json_include)
  target_include_directories(kvtier_flags SYSTEM BEFORE INTERFACE ${kvtier_json_include})
endif()

# Precompiled header sets, built once each: what nearly every source includes, the same for timed code, the same plus
# GoogleTest for tests and suites, and the same plus CLI11 for the programs with a command line.
# Preset `debug` builds without them, so a source that leans on them fails there.
function(kvtier_precompile target kind)
  if(NOT KVTIER_PCH)
    return()
  endif()
  if(NOT TARGET kvtier_pch_${kind})
    file(WRITE ${CMAKE_BINARY_DIR}/pch_${kind}.cpp "")
    add_library(kvtier_pch_${kind} OBJECT ${CMAKE_BINARY_DIR}/pch_${kind}.cpp)
    target_link_libraries(kvtier_pch_${kind} PRIVATE kvtier_flags fmt::fmt nlohmann_json::nlohmann_json Threads::Threads)
    set(headers <algorithm> <array> <atomic> <chrono> <cstdint> <filesystem> <functional> <map> <memory> <mutex>
      <optional> <span> <string> <string_view> <thread> <unordered_map> <variant> <vector> <fmt/format.h>
      <nlohmann/json.hpp>)
    if(kind STREQUAL "test")
      target_compile_options(kvtier_pch_test PRIVATE ${kvtier_test_flags})
      target_link_libraries(kvtier_pch_test PRIVATE GTest::gmock)
      list(APPEND headers <gmock/gmock.h> <gtest/gtest.h>)
    elseif(kind STREQUAL "timed")
      target_compile_options(kvtier_pch_timed PRIVATE ${kvtier_timed_flags})  # g++ crashes on a set of another level
    elseif(kind STREQUAL "cli")
      target_link_libraries(kvtier_pch_cli PRIVATE CLI11::CLI11)
      list(APPEND headers <CLI/CLI.hpp>)
    endif()
    target_precompile_headers(kvtier_pch_${kind} PRIVATE ${headers})
  endif()
  target_precompile_headers(${target} REUSE_FROM kvtier_pch_${kind})
endfunction()

# Sixteen sources in a row are compiled as one, because most of the time of a source goes to the headers that it shares with its
# neighbours (docs/decisions/0002). ALONE: sources that cannot share, for their anonymous namespaces use the same names.
function(kvtier_unity target)
  cmake_parse_arguments(A "" "" "ALONE" ${ARGN})
  if(NOT KVTIER_UNITY)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 16)
  set_source_files_properties(${A_ALONE} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

# TIMED: this code runs inside what is measured.
function(kvtier_library name)
  cmake_parse_arguments(A "TIMED" "" "HEADERS;SOURCES;ALONE;DEPS;PRIVATE_DEPS" ${ARGN})
  if(A_SOURCES)
    add_library(kvtier_${name} STATIC ${A_SOURCES} ${A_ALONE})
    kvtier_unity(kvtier_${name} ALONE ${A_ALONE})
    set(precompiled std)
    if(A_TIMED)
      target_compile_options(kvtier_${name} PRIVATE ${kvtier_timed_flags})
      set(precompiled timed)
    endif()
    target_include_directories(kvtier_${name} PUBLIC ${PROJECT_SOURCE_DIR})
    target_link_libraries(kvtier_${name} PUBLIC ${A_DEPS} fmt::fmt nlohmann_json::nlohmann_json Threads::Threads
      PRIVATE kvtier_flags ${A_PRIVATE_DEPS})
    target_sources(kvtier_${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${A_HEADERS})
    kvtier_precompile(kvtier_${name} ${precompiled})
  else()
    add_library(kvtier_${name} INTERFACE)
    target_include_directories(kvtier_${name} INTERFACE ${PROJECT_SOURCE_DIR})
    target_sources(kvtier_${name} INTERFACE FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${A_HEADERS})
    target_link_libraries(kvtier_${name} INTERFACE ${A_DEPS} fmt::fmt nlohmann_json::nlohmann_json Threads::Threads)
  endif()
  add_library(kvtier::${name} ALIAS kvtier_${name})
endfunction()

function(kvtier_program name)
  cmake_parse_arguments(A "" "" "SOURCES;ALONE;DEPS" ${ARGN})
  add_executable(${name} ${A_SOURCES} ${A_ALONE})
  kvtier_unity(${name} ALONE ${A_ALONE})
  target_link_libraries(${name} PRIVATE ${A_DEPS} kvtier_flags CLI11::CLI11 fmt::fmt nlohmann_json::nlohmann_json
    Threads::Threads)
  kvtier_precompile(${name} cli)
endfunction()

# Unit tests live beside the code they test; one binary per folder, one CTest test per case.
# LABEL is unit unless a folder says otherwise (truth, rehearsal). SOAK: the cases that take minutes ("Suite.*"); they get
# the label soak and the time limit SOAK_TIMEOUT.
function(kvtier_unit_tests name)
  cmake_parse_arguments(A "" "LABEL;TIMEOUT;PREFIX;SOAK_TIMEOUT" "SOURCES;ALONE;DEPS;SOAK" ${ARGN})
  if(NOT A_LABEL)
    set(A_LABEL unit)
  endif()
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 240)  # several times what the slowest needs: CI shares its cores
  endif()
  if(NOT A_PREFIX)
    set(A_PREFIX ${A_LABEL}.)
  endif()
  add_executable(${name} ${A_SOURCES} ${A_ALONE})
  kvtier_unity(${name} ALONE ${A_ALONE})
  target_link_libraries(${name} PRIVATE ${A_DEPS} kvtier_flags GTest::gmock GTest::gtest_main)
  target_compile_options(${name} PRIVATE ${kvtier_test_flags})
  kvtier_precompile(${name} test)
  set(quick "")
  if(A_SOAK)
    list(JOIN A_SOAK ":" soak)
    set(quick TEST_FILTER "-${soak}")
    gtest_discover_tests(${name} NO_PRETTY_VALUES DISCOVERY_TIMEOUT 120 TEST_PREFIX soak. TEST_FILTER ${soak}
      PROPERTIES LABELS soak TIMEOUT ${A_SOAK_TIMEOUT})
  endif()
  gtest_discover_tests(${name} NO_PRETTY_VALUES DISCOVERY_TIMEOUT 120 TEST_PREFIX ${A_PREFIX} ${quick}
    PROPERTIES LABELS ${A_LABEL} TIMEOUT ${A_TIMEOUT})
endfunction()

# The benchmark suites: labels, locks and time limits come from ctest/suite_properties.cmake at each ctest start.
function(kvtier_suite name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  kvtier_unity(${name})
  target_link_libraries(${name} PRIVATE ${A_DEPS} kvtier_flags GTest::gmock)
  target_compile_options(${name} PRIVATE ${kvtier_test_flags})
  kvtier_precompile(${name} test)
  gtest_discover_tests(${name} NO_PRETTY_VALUES DISCOVERY_TIMEOUT 120 TEST_LIST kvtier_suite_tests
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}  # a relative results root means the same as for ./kvtier
    XML_OUTPUT_DIR ${CMAKE_BINARY_DIR}/junit/gtest)
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${PROJECT_SOURCE_DIR}/ctest/suite_properties.cmake)
endfunction()

# A fuzz target: with clang a libFuzzer binary; otherwise the same function replays its corpus as a unit test.
function(kvtier_fuzz name)
  cmake_parse_arguments(A "" "CORPUS" "SOURCES;DEPS" ${ARGN})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_executable(${name} ${A_SOURCES})
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    if(NOT TARGET kvtier_fuzz_replay)
      add_library(kvtier_fuzz_replay OBJECT ${PROJECT_SOURCE_DIR}/ctest/fuzz_replay_main.cpp)
      target_link_libraries(kvtier_fuzz_replay PRIVATE kvtier_flags)
    endif()
    add_executable(${name} ${A_SOURCES} $<TARGET_OBJECTS:kvtier_fuzz_replay>)
    add_test(NAME unit.fuzz.${name} COMMAND ${name} ${CMAKE_CURRENT_SOURCE_DIR}/${A_CORPUS})
    set_tests_properties(unit.fuzz.${name} PROPERTIES LABELS unit TIMEOUT 60)
  endif()
  target_link_libraries(${name} PRIVATE ${A_DEPS} kvtier_flags)
  kvtier_precompile(${name} std)
endfunction()

# A benchmark program: prints one JSON object a row (see docs/benchmarks.md); `kvtier bench` runs them all.
function(kvtier_benchmark name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  if(KVTIER_BENCH)
    add_executable(${name} ${A_SOURCES})
    target_link_libraries(${name} PRIVATE ${A_DEPS} kvtier_flags)
    target_compile_options(${name} PRIVATE ${kvtier_timed_flags})
    kvtier_precompile(${name} timed)
  endif()
endfunction()
