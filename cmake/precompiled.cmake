# Two thirds of the time of a sanitizer build is parsing the standard library's
# headers (and GoogleTest's) once per file. With AGENT_PCH they are parsed once per
# build: one set for the rooms, one for the tests; and six files of a room are compiled at
# a time. The other builds go without, so that a file which forgets an include is still found.
function(agent_precompile_rooms)
  if(AGENT_PCH)
    file(WRITE ${CMAKE_BINARY_DIR}/generated/pch/room.cc "")
    add_library(pch_rooms OBJECT ${CMAKE_BINARY_DIR}/generated/pch/room.cc)
    target_link_libraries(pch_rooms PRIVATE agent_flags)
    target_precompile_headers(pch_rooms PRIVATE
      <algorithm> <array> <chrono> <cstdint> <functional> <map> <memory> <optional> <span> <sstream>
      <string> <string_view> <unordered_map> <utility> <variant> <vector>)
  endif()
endfunction()

function(agent_precompile_tests)
  if(AGENT_PCH)
    file(WRITE ${CMAKE_BINARY_DIR}/generated/pch/test.cc "")
    add_library(pch_tests OBJECT ${CMAKE_BINARY_DIR}/generated/pch/test.cc)
    target_link_libraries(pch_tests PRIVATE agent_flags GTest::gtest GTest::gmock)
    target_precompile_headers(pch_tests PRIVATE
      <algorithm> <array> <chrono> <cstdint> <functional> <map> <memory> <optional> <span> <sstream>
      <string> <string_view> <unordered_map> <utility> <variant> <vector>
      <gmock/gmock.h> <gtest/gtest.h>)
  endif()
endfunction()

function(agent_use_precompiled target set) # set: rooms or tests
  if(AGENT_PCH)
    # g++ 12 forgets that a precompiled header was a system header, and then warns of
    # std::string's own copies.
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      target_compile_options(${target} PRIVATE -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread -Wno-restrict
                             -Wno-subobject-linkage)
    endif()
    target_precompile_headers(${target} REUSE_FROM pch_${set})
    # Names in anonymous namespaces meet here: two of a room that are alike do not compile,
    # and g++ takes a class that uses one for a class of a header.
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
  endif()
endfunction()
