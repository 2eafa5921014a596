# Puts the bytes of a file into a room's library as a string_view constant.
#   agent_embed(room_admin agent/admin/page/index.html agent::admin::internal kPage)
# As a script (cmake -P) it writes the .cc; the build runs it when the file changes.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${INPUT} hex HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" lines "${hex}")
  string(REGEX REPLACE "([^\n]+)\n?" "    \"\\1\"\n" lines "${lines}")
  file(SIZE ${INPUT} size)
  file(WRITE ${OUTPUT}
"// Generated from ${INPUT_NAME} by cmake/embed.cmake.
#include <string_view>
namespace ${SPACE} {
extern const std::string_view ${NAME};
const std::string_view ${NAME}(
${lines}    , ${size});
}  // namespace ${SPACE}
")
  return()
endif()

function(agent_embed target file space name)
  set(output ${CMAKE_BINARY_DIR}/embedded/${name}.cc)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DINPUT=${CMAKE_SOURCE_DIR}/${file} -DINPUT_NAME=${file} -DOUTPUT=${output}
            -DSPACE=${space} -DNAME=${name} -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${CMAKE_SOURCE_DIR}/${file} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    VERBATIM)
  target_sources(${target} PRIVATE ${output})
endfunction()
