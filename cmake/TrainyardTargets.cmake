# Two helpers make every target, so that flags live here alone:
#
#   trainyard_library(pruning SRCS selection.cc DEPS absl::statusor PRIVATE_DEPS trainyard::base)
#   trainyard_test(selection_test SRCS selection_test.cc DEPS trainyard::pruning)
#
# and trainyard_binary(NAME ...) for programs. trainyard_check_arrows() fails the configuration when
# a room uses one that lies above it, or links a third party that is another room's alone.

# The rooms below services, lowest first. A library may use those before it only.
set(TRAINYARD_LIBRARIES
  base tensor graph layers weights model sealing pretrained pruning quantization spec data tasks networks stages worker
  judging
  training engine report store service)

set(TRAINYARD_SANITIZE "" CACHE STRING "sanitizers, comma separated")
option(TRAINYARD_FUZZ "build the fuzz targets for libFuzzer (clang)" OFF)

add_library(trainyard_flags INTERFACE)
target_compile_options(trainyard_flags INTERFACE -Wall -Wextra -Werror -Wno-missing-field-initializers)
target_include_directories(trainyard_flags INTERFACE ${CMAKE_SOURCE_DIR})
# Behind CMake's own -O3, which measured no faster on the loops that matter and makes larger code.
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(trainyard_flags INTERFACE -O2)
endif()
# How much longer tests may take.
set(TRAINYARD_PATIENCE 1)
if(TRAINYARD_SANITIZE)
  set(TRAINYARD_PATIENCE 6)
  target_compile_options(trainyard_flags INTERFACE
    -fsanitize=${TRAINYARD_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  target_link_options(trainyard_flags INTERFACE -fsanitize=${TRAINYARD_SANITIZE})
endif()
if(TRAINYARD_FUZZ)
  target_compile_options(trainyard_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# A room that is not there yet is skipped, so that the house can be built floor by floor.
function(trainyard_add_room folder)
  if(EXISTS ${CMAKE_SOURCE_DIR}/${folder}/CMakeLists.txt)
    add_subdirectory(${CMAKE_SOURCE_DIR}/${folder} ${CMAKE_BINARY_DIR}/${folder})
  endif()
endfunction()

function(trainyard_library name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS;PRIVATE_DEPS" ${ARGN})
  if(NOT ARG_SRCS)
    message(FATAL_ERROR "trainyard_library(${name}) has no SRCS")
  endif()
  add_library(trainyard_${name} STATIC ${ARG_SRCS})
  add_library(trainyard::${name} ALIAS trainyard_${name})
  target_link_libraries(trainyard_${name}
    PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS} $<BUILD_INTERFACE:trainyard_flags>)
  set_property(GLOBAL APPEND PROPERTY trainyard_rooms ${name})
  set_property(GLOBAL PROPERTY trainyard_uses_${name} ${ARG_DEPS} ${ARG_PRIVATE_DEPS})
endfunction()

# A text file of the tree as a constant of the program: `RESULT` becomes a source that defines
# `extern const char SYMBOL[]` in namespace trainyard::ROOM::embedded, where ROOM is the
# folder of the caller.
function(trainyard_embed result file symbol)
  file(READ ${CMAKE_SOURCE_DIR}/${file} trainyard_text)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${file})
  set(source ${CMAKE_CURRENT_BINARY_DIR}/embedded_${symbol}.cc)
  get_filename_component(room ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT [[
namespace trainyard::@room@::embedded {
extern const char @symbol@[];
const char @symbol@[] = R"trainyard(@trainyard_text@)trainyard";
}  // namespace trainyard::@room@::embedded
]])
  set(${result} ${source} PARENT_SCOPE)
endfunction()

# What a user runs, without tests and benchmarks: cmake --build ... --target programs.
add_custom_target(programs)

# TEST: a program that tests start, which nobody ships.
function(trainyard_binary name)
  cmake_parse_arguments(ARG "TEST" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} trainyard_flags)
  if(NOT ARG_TEST)
    add_dependencies(programs ${name})
    set_property(GLOBAL APPEND PROPERTY trainyard_shipped ${name})
  endif()
  set_property(GLOBAL APPEND PROPERTY trainyard_programs ${name})
  set_property(GLOBAL PROPERTY trainyard_uses_${name} ${ARG_DEPS})
endfunction()

# One program per test file; tests find sources and programs by tests/support/places.h.
function(trainyard_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SRCS;DEPS;LABELS" ${ARGN})
  foreach(trainyard_missing IN LISTS ARG_SRCS)
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${trainyard_missing} AND NOT IS_ABSOLUTE ${trainyard_missing})
      message(WARNING "${name} waits for ${trainyard_missing}")
      return()
    endif()
  endforeach()
  add_executable(${name} ${ARG_SRCS})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} trainyard_test_places GTest::gmock GTest::gtest_main trainyard_flags)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  math(EXPR ARG_TIMEOUT "${ARG_TIMEOUT} * ${TRAINYARD_PATIENCE}")
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
endfunction()

# Third parties that one room alone may link. Runtimes are among them: everybody else runs networks
# through a worker.
set(TRAINYARD_ROOM_OF_torch::cpu training)
set(TRAINYARD_ROOM_OF_openvino::runtime engine)
set(TRAINYARD_ROOM_OF_SQLite::SQLite3 store)
set(TRAINYARD_RUNNERS training engine)
set(TRAINYARD_WORKERS trainyard-train-worker trainyard-engine-worker)

function(trainyard_check_arrows)
  get_property(rooms GLOBAL PROPERTY trainyard_rooms)
  get_property(programs GLOBAL PROPERTY trainyard_programs)
  set(errors "")
  foreach(user IN LISTS rooms programs)
    get_property(uses GLOBAL PROPERTY trainyard_uses_${user})
    list(FIND TRAINYARD_LIBRARIES ${user} user_rank)
    foreach(use IN LISTS uses)
      if(use STREQUAL "trainyard::protos")
        continue()
      endif()
      if(use MATCHES "^trainyard::(.*)$")
        set(used ${CMAKE_MATCH_1})
        list(FIND TRAINYARD_LIBRARIES ${used} used_rank)
        if(user_rank GREATER -1 AND (used_rank EQUAL -1 OR used_rank GREATER_EQUAL user_rank))
          string(APPEND errors "\n  ${user} uses ${used}, which lies above it")
        endif()
        if(used IN_LIST TRAINYARD_RUNNERS AND user_rank EQUAL -1
           AND NOT user IN_LIST TRAINYARD_WORKERS)
          string(APPEND errors "\n  ${user} uses ${used}; only workers run networks")
        endif()
        if(used IN_LIST TRAINYARD_RUNNERS AND user STREQUAL "service")
          string(APPEND errors "\n  service uses ${used}; only workers run networks")
        endif()
      elseif(DEFINED TRAINYARD_ROOM_OF_${use} AND NOT user IN_LIST TRAINYARD_ROOM_OF_${use})
        string(APPEND errors "\n  ${user} links ${use}; only ${TRAINYARD_ROOM_OF_${use}} may")
      elseif(use MATCHES "^(gRPC::|trainyard_stubs)" AND user_rank GREATER -1 AND NOT user STREQUAL "service")
        string(APPEND errors "\n  ${user} links ${use}; only service knows gRPC")
      endif()
    endforeach()
  endforeach()
  if(errors)
    message(FATAL_ERROR "arrows that the house does not allow (docs/architecture.md):${errors}")
  endif()
endfunction()
