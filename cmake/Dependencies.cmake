# Every dependency is found here, and each missing one ends the configuration with one sentence.

function(pixelclip_require name package hint)
  find_package(${package} QUIET ${ARGN})
  if(NOT ${package}_FOUND)
    message(FATAL_ERROR "${name} was not found: ${hint}, or run tools/setup.sh.")
  endif()
endfunction()

macro(pixelclip_apt name package debian)
  pixelclip_require("${name}" ${package} "install the Debian package ${debian}" ${ARGN})
endmacro()

# A library without CMake files of its own becomes the target NAME.
function(pixelclip_library_of name title debian header)
  find_path(${name}_include ${header} PATH_SUFFIXES ${ARGN})
  find_library(${name}_library NAMES ${name})
  if(NOT ${name}_include OR NOT ${name}_library)
    message(FATAL_ERROR "${title} was not found: install the Debian package ${debian}, or run tools/setup.sh.")
  endif()
  add_library(${name} INTERFACE IMPORTED GLOBAL)
  set_target_properties(${name} PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${${name}_include}" INTERFACE_LINK_LIBRARIES "${${name}_library}")
endfunction()

# Packages that tools/setup.sh unpacked because it could not install them.
set(unpacked "${CMAKE_SOURCE_DIR}/.deps/debian/usr")
if(EXISTS "${unpacked}")
  list(APPEND CMAKE_PREFIX_PATH "${unpacked}")
  add_compile_options("-idirafter${unpacked}/include" "-idirafter${unpacked}/include/${CMAKE_LIBRARY_ARCHITECTURE}")
  # Not RUNPATH: these libraries need each other.
  add_link_options("LINKER:--disable-new-dtags" "LINKER:-rpath,${unpacked}/lib/${CMAKE_LIBRARY_ARCHITECTURE}")
endif()

find_package(Threads REQUIRED)
pixelclip_apt("yaml-cpp" yaml-cpp libyaml-cpp-dev GLOBAL)
pixelclip_apt("spdlog" spdlog libspdlog-dev GLOBAL)
pixelclip_apt("nlohmann-json" nlohmann_json nlohmann-json3-dev GLOBAL)
pixelclip_apt("CLI11" CLI11 libcli11-dev GLOBAL)
# Debian keeps OpenCV's CMake files in a package that needs every module; two modules are enough here.
pixelclip_library_of(opencv_core "OpenCV" libopencv-core-dev opencv2/core.hpp opencv4)
pixelclip_library_of(opencv_imgproc "OpenCV's imgproc" libopencv-imgproc-dev opencv2/imgproc.hpp opencv4)
# Optional: `pixelclip segment` reads videos with it.
find_library(opencv_videoio_library opencv_videoio)
if(opencv_videoio_library AND EXISTS "${opencv_core_include}/opencv2/videoio.hpp")
  add_library(opencv_videoio INTERFACE IMPORTED GLOBAL)
  target_link_libraries(opencv_videoio INTERFACE "${opencv_videoio_library}" opencv_core)
endif()
pixelclip_library_of(cpp-httplib "cpp-httplib" libcpp-httplib-dev httplib.h)
add_library(httplib INTERFACE IMPORTED GLOBAL)
target_link_libraries(httplib INTERFACE cpp-httplib Threads::Threads)
# Debian's library was compiled with these; they change the layout of its classes.
target_compile_definitions(httplib INTERFACE CPPHTTPLIB_OPENSSL_SUPPORT CPPHTTPLIB_ZLIB_SUPPORT
  CPPHTTPLIB_BROTLI_SUPPORT)
pixelclip_apt("libjpeg-turbo" JPEG libjpeg62-turbo-dev GLOBAL)
pixelclip_apt("libpng" PNG libpng-dev GLOBAL)
pixelclip_apt("zlib" ZLIB zlib1g-dev GLOBAL)
pixelclip_apt("libtiff (>= 4.5)" TIFF libtiff-dev 4.5 GLOBAL)
pixelclip_library_of(webp "libwebp" libwebp-dev webp/decode.h)
pixelclip_library_of(openjp2 "OpenJPEG" libopenjp2-7-dev openjpeg.h openjpeg-2.5 openjpeg-2.4)
pixelclip_library_of(utf8proc "utf8proc" libutf8proc-dev utf8proc.h)
# Optional: `pixelclip export` writes ONNX files with it.
find_path(onnx_include onnx/onnx_pb.h)
find_path(protobuf_include google/protobuf/message.h)
find_library(onnx_library onnx)
find_library(onnx_proto_library onnx_proto)
find_library(protobuf_library protobuf)
if(PIXELCLIP_ONNX AND onnx_include AND protobuf_include AND onnx_library AND onnx_proto_library AND protobuf_library)
  add_library(onnx INTERFACE IMPORTED GLOBAL)
  target_include_directories(onnx INTERFACE "${onnx_include}" "${protobuf_include}")
  target_compile_definitions(onnx INTERFACE ONNX_ML=1 ONNX_NAMESPACE=onnx)
  target_link_libraries(onnx INTERFACE "${onnx_library}" "${onnx_proto_library}" "${protobuf_library}")
else()
  message(STATUS "`pixelclip export` is not built: it needs the Debian packages libonnx-dev and libprotobuf-dev")
endif()
if(PIXELCLIP_TESTS)
  pixelclip_apt("GoogleTest" GTest "libgtest-dev libgmock-dev" GLOBAL)
endif()

# LibTorch comes from the pinned wheel or from a folder the user names. find_package(Torch) would
# ask for a CUDA toolkit; an imported target made from the wheel's folders needs none.
set(torch_dir "${PIXELCLIP_TORCH_DIR}")
if(NOT torch_dir)
  file(GLOB torch_dir "${CMAKE_SOURCE_DIR}/.deps/venv/lib/python3*/site-packages/torch")
endif()
if(NOT EXISTS "${torch_dir}/include/torch/csrc/api/include/torch/torch.h")
  message(FATAL_ERROR "LibTorch was not found in '${torch_dir}': run tools/setup.sh, or name one with "
                      "-DPIXELCLIP_TORCH_DIR=/path/to/libtorch.")
endif()
set(version_header "${torch_dir}/include/torch/headeronly/version.h")
if(NOT EXISTS "${version_header}")
  set(version_header "${torch_dir}/include/torch/csrc/api/include/torch/version.h")
endif()
file(READ "${version_header}" version_text)
string(REGEX MATCH "define TORCH_VERSION_MAJOR ([0-9]+)" _ "${version_text}")
set(torch_version "${CMAKE_MATCH_1}")
string(REGEX MATCH "define TORCH_VERSION_MINOR ([0-9]+)" _ "${version_text}")
string(APPEND torch_version ".${CMAKE_MATCH_1}")
if(torch_version VERSION_LESS 2.4)
  message(FATAL_ERROR "LibTorch ${torch_version} in '${torch_dir}' is too old: 2.4 or newer is needed.")
endif()
find_path(gloo_include gloo/algorithm.h)
if(NOT gloo_include)
  message(FATAL_ERROR "Gloo's headers were not found: install the Debian package libgloo-dev, or run "
                      "tools/setup.sh.")
endif()

set(PIXELCLIP_TORCH_VERSION "")  # of Python's torch, without a local part such as +cpu
if(EXISTS "${torch_dir}/version.py")
  file(STRINGS "${torch_dir}/version.py" PIXELCLIP_TORCH_VERSION REGEX "^__version__")
  string(REGEX REPLACE "^__version__ = '([^'+]*).*" "\\1" PIXELCLIP_TORCH_VERSION "${PIXELCLIP_TORCH_VERSION}")
endif()

add_library(pixelclip_torch INTERFACE)
target_include_directories(pixelclip_torch SYSTEM INTERFACE
  "${torch_dir}/include" "${torch_dir}/include/torch/csrc/api/include")
target_compile_definitions(pixelclip_torch INTERFACE USE_DISTRIBUTED USE_C10D_GLOO)
set(PIXELCLIP_CUDA OFF)
set(torch_cuda_libraries "")
include(CudaHeaders)
if(PIXELCLIP_USE_CUDA AND EXISTS "${torch_dir}/lib/libtorch_cuda.so")
  pixelclip_cuda_headers("${torch_dir}" cuda_include cuda_missing)
  if(cuda_include)
    set(PIXELCLIP_CUDA ON)
    target_include_directories(pixelclip_torch SYSTEM INTERFACE ${cuda_include})
    target_compile_definitions(pixelclip_torch INTERFACE USE_C10D_NCCL)
    set(torch_cuda_libraries torch torch_cuda c10_cuda)
  else()
    message(WARNING "The LibTorch in '${torch_dir}' is for CUDA, but these headers were not found: ${cuda_missing}. "
                    "The program is built WITHOUT GPUs. Install the CUDA toolkit and NCCL (libnccl-dev), or name their "
                    "folders in the environment variables CUDA_HOME and NCCL_ROOT, and configure anew.")
  endif()
endif()
# Nothing refers to the CUDA library by symbol in most programs, so the linker must be told to keep it.
# libtorch.so exports an old std::filesystem whose remove_all calls a null pointer: the real libstdc++
# must come first in the search order.
target_link_options(pixelclip_torch INTERFACE "LINKER:--no-as-needed" "-lstdc++"
  "LINKER:-rpath,${torch_dir}/lib")
# A program with the property PIXELCLIP_NO_CUDA links the CPU's libraries alone.
foreach(library ${torch_cuda_libraries})
  target_link_libraries(pixelclip_torch INTERFACE
    "$<$<NOT:$<BOOL:$<TARGET_PROPERTY:PIXELCLIP_NO_CUDA>>>:${torch_dir}/lib/lib${library}.so>")
endforeach()
foreach(library torch_cpu c10)
  target_link_libraries(pixelclip_torch INTERFACE "${torch_dir}/lib/lib${library}.so")
endforeach()
if(PIXELCLIP_CUDA)
  find_path(cuda_version_folder cuda.h NO_CACHE HINTS ${cuda_include} NO_DEFAULT_PATH)
  file(STRINGS "${cuda_version_folder}/cuda.h" cuda_version REGEX "define CUDA_VERSION [0-9]+")
  string(REGEX MATCH "[0-9]+" cuda_version "${cuda_version}")
  math(EXPR cuda_major "${cuda_version} / 1000")
  # Names the driver that is needed.
  set_property(SOURCE "${CMAKE_SOURCE_DIR}/src/nn/device.cpp" APPEND PROPERTY COMPILE_DEFINITIONS
    PIXELCLIP_CUDA_MAJOR=${cuda_major})
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_ARCHITECTURES all-major CACHE STRING "GPUs that the kernels are built for")
    enable_language(CUDA)
  endif()
endif()
message(STATUS "LibTorch ${torch_version} in ${torch_dir} (CUDA: ${PIXELCLIP_CUDA})")

find_program(lld_path ld.lld)
if(lld_path)
  add_link_options(-fuse-ld=lld)
endif()
