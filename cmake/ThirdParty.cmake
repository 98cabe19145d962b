# The packages that Trainyard stands on. Debian's come through find_package; LibTorch, OpenVINO and
# google/* protos come from the cache that scripts/bootstrap unpacks (docs/architecture.md).

set(TRAINYARD_DEPS ${CMAKE_SOURCE_DIR}/.deps CACHE PATH "cache made by scripts/bootstrap")
if(NOT EXISTS ${TRAINYARD_DEPS}/site/torch)
  message(FATAL_ERROR "${TRAINYARD_DEPS} holds no unpacked wheels; run scripts/bootstrap first")
endif()

find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(Eigen3 CONFIG REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(yaml-cpp CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
find_package(pugixml CONFIG REQUIRED)
find_package(GTest REQUIRED)
find_package(benchmark CONFIG REQUIRED)

# Debian's OpenCVConfig wants the development files of every module; two are enough here.
foreach(module core imgproc)
  add_library(opencv::${module} SHARED IMPORTED)
  find_library(opencv_${module}_LIBRARY opencv_${module} REQUIRED)
  set_target_properties(opencv::${module} PROPERTIES
    IMPORTED_LOCATION ${opencv_${module}_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES /usr/include/opencv4)
endforeach()

# Debian's ONNXConfig does not name its include folder or its ONNX_ML definitions.
add_library(onnx::onnx INTERFACE IMPORTED)
find_library(ONNX_LIBRARY onnx REQUIRED)
find_library(ONNX_PROTO_LIBRARY onnx_proto REQUIRED)
target_link_libraries(onnx::onnx INTERFACE ${ONNX_LIBRARY} ${ONNX_PROTO_LIBRARY} protobuf::libprotobuf)
target_compile_definitions(onnx::onnx INTERFACE ONNX_ML=1 ONNX_NAMESPACE=onnx)

# LibTorch. Its include folder carries other versions of protobuf and fmt: -idirafter lets Debian's
# win. CUDA is never linked: libtorch_cuda is opened at run time where a driver is there.
set(TORCH_ROOT ${TRAINYARD_DEPS}/site/torch)
set(TORCH_LIBRARY_DIRS ${TORCH_ROOT}/lib ${TRAINYARD_DEPS}/site/nvidia/cu13/lib)
add_library(torch::cpu INTERFACE IMPORTED)
target_compile_options(torch::cpu INTERFACE
  "SHELL:-idirafter ${TORCH_ROOT}/include"
  "SHELL:-idirafter ${TORCH_ROOT}/include/torch/csrc/api/include")
target_link_options(torch::cpu INTERFACE
  -L${TORCH_ROOT}/lib -Wl,-rpath,${TORCH_ROOT}/lib -Wl,--no-as-needed -ltorch_cpu -lc10 -Wl,--as-needed
  -Wl,--allow-shlib-undefined)

# OpenVINO's CMake package in the wheel is written for its own layout; two paths are all it takes.
set(OPENVINO_ROOT ${TRAINYARD_DEPS}/site/openvino)
file(GLOB OPENVINO_LIBRARY ${OPENVINO_ROOT}/libs/libopenvino.so.*)
add_library(openvino::runtime SHARED IMPORTED)
set_target_properties(openvino::runtime PROPERTIES
  IMPORTED_LOCATION ${OPENVINO_LIBRARY}
  INTERFACE_INCLUDE_DIRECTORIES ${OPENVINO_ROOT}/include)
# The program itself asks for the wheel's oneTBB: else Debian's older one, which OpenCV brings, would be
# loaded first and serve OpenVINO too.
target_link_options(openvino::runtime INTERFACE
  "SHELL:-Wl,--push-state,--no-as-needed ${OPENVINO_ROOT}/libs/libtbb.so.12 -Wl,--pop-state")
