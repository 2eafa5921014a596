# The compile options of everything of ours, in one interface target.
add_library(agent_flags INTERFACE)
target_include_directories(agent_flags INTERFACE ${CMAKE_SOURCE_DIR})
# For every file alike, as precompiled headers need it.
target_compile_options(agent_flags INTERFACE -pthread)
target_link_options(agent_flags INTERFACE -pthread)
target_compile_options(agent_flags INTERFACE
  -Wall -Wextra -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
  -Wold-style-cast -Wunused-result -fno-omit-frame-pointer)
# Of unity files (precompiled.cmake) it tells of names that never meet.
if(NOT AGENT_PCH)
  target_compile_options(agent_flags INTERFACE -Wshadow)
endif()
# A plain char has a sign on x86 and none on ARM. The scanners compare bytes above 0x7F; one
# answer on both.
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|i.86)$")
  target_compile_options(agent_flags INTERFACE -fsigned-char)
endif()
if(AGENT_WERROR)
  target_compile_options(agent_flags INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # libstdc++'s own std::stable_sort uses what it deprecates.
  target_compile_options(agent_flags INTERFACE -Wthread-safety -Wdangling -Wno-deprecated-declarations)
endif()
if(AGENT_SANITIZE)
  target_compile_options(agent_flags INTERFACE -fsanitize=${AGENT_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(agent_flags INTERFACE -fsanitize=${AGENT_SANITIZE})
endif()
if(AGENT_FUZZ)
  target_compile_options(agent_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
