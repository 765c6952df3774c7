# cmake -DROOT=<repo> -DWORK=<folder> -P launcher.cmake : runs the launcher among stand-ins for the programs that it
# calls, and checks what it asked of them. Everything in a POSIX shell is one name space, so a helper can spoil the
# caller's variables.
cmake_policy(VERSION 3.25)
file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}/stand-ins" "${WORK}/tree/build/release/bin")
file(COPY "${ROOT}/kvtier" DESTINATION "${WORK}/tree")
function(stand_in path answer)
  file(WRITE "${path}" "#!/bin/sh\necho \"$(basename \"$0\") $*\" >> '${WORK}/calls'\n${answer}\n")
  file(CHMOD "${path}" PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
endfunction()
stand_in("${WORK}/stand-ins/dpkg-query" "printf 'install ok installed'")
stand_in("${WORK}/stand-ins/cmake" "")
stand_in("${WORK}/stand-ins/ctest" "exit 8")
stand_in("${WORK}/tree/build/release/bin/kvtier" "exit 1")

foreach(experiment phase60 phase70)
  file(REMOVE "${WORK}/calls")
  execute_process(COMMAND "${CMAKE_COMMAND}" -E env "PATH=${WORK}/stand-ins:$ENV{PATH}" sh "${WORK}/tree/kvtier"
    ${experiment} --stop-on-failure RESULT_VARIABLE exit_code OUTPUT_VARIABLE output ERROR_VARIABLE output)
  file(READ "${WORK}/calls" calls)
  foreach(wanted "cmake --build --preset release" "ctest --preset ${experiment} --stop-on-failure"
      "kvtier summary ${experiment} --ctest-exit 8 --ctest-junit build/junit/${experiment}.xml")
    string(FIND "${calls}" "${wanted}" at)
    if(at EQUAL -1)
      message(SEND_ERROR "./kvtier ${experiment} did not call '${wanted}'; it called:\n${calls}\nand printed:\n${output}")
    endif()
  endforeach()
  if(NOT exit_code EQUAL 1)
    message(SEND_ERROR "./kvtier ${experiment} exited ${exit_code}, not as its summary did")
  endif()
endforeach()
