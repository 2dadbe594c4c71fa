# One static library a layer. A layer sees the headers of the layers it depends on and links only
# those, so an upward call fails to link; a test greps the includes as well.

# include/pixelclip/version.hpp, for the sources that name the version.
set(PIXELCLIP_VERSION_INCLUDE "${CMAKE_BINARY_DIR}/include")
configure_file("${CMAKE_SOURCE_DIR}/cmake/version.hpp.in" "${PIXELCLIP_VERSION_INCLUDE}/pixelclip/version.hpp" @ONLY)

add_library(pixelclip_options INTERFACE)
target_include_directories(pixelclip_options INTERFACE "${CMAKE_SOURCE_DIR}/include" "${CMAKE_SOURCE_DIR}/src")
# Where data files lie when the program runs from its source tree.
set_property(SOURCE "${CMAKE_SOURCE_DIR}/src/config/class_names.cpp" "${CMAKE_SOURCE_DIR}/src/text/bpe_tokenizer.cpp"
  APPEND PROPERTY COMPILE_DEFINITIONS PIXELCLIP_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
target_compile_options(pixelclip_options INTERFACE ${PIXELCLIP_WARNINGS} -ffp-contract=off
  # The same for programs and libraries, so that one precompiled header serves both.
  -fPIC
  # LibTorch's headers fill 600 MB; to collect garbage before 2 GB are full costs GCC a tenth of its time.
  $<$<CXX_COMPILER_ID:GNU>:--param=ggc-min-heapsize=2000000>)
if(PIXELCLIP_NATIVE)
  target_compile_options(pixelclip_options INTERFACE -march=native)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(pixelclip_options INTERFACE -march=x86-64-v2)
endif()
if(PIXELCLIP_SANITIZE)
  target_compile_options(pixelclip_options INTERFACE -fsanitize=${PIXELCLIP_SANITIZE} -fno-omit-frame-pointer)
  if(PIXELCLIP_SANITIZE MATCHES "undefined")  # LibTorch has no types to compare with
    target_compile_options(pixelclip_options INTERFACE -fno-sanitize=vptr -fno-sanitize-recover=undefined)
  endif()
  # GCC warns of its own instrumentation.
  target_compile_options(pixelclip_options INTERFACE -Wno-maybe-uninitialized -Wno-stringop-overflow)
  target_link_options(pixelclip_options INTERFACE -fsanitize=${PIXELCLIP_SANITIZE})
endif()

# LibTorch's headers cost half a minute a source; they are compiled once. Each source still pays for the template
# instantiations that they leave pending (torch/torch.h: seven seconds, the headers named here: four), so sources are
# compiled some at a time.
file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/torch_pch.cpp" CONTENT "")
add_library(pixelclip_torch_pch OBJECT "${CMAKE_BINARY_DIR}/torch_pch.cpp")
target_link_libraries(pixelclip_torch_pch PUBLIC pixelclip_options pixelclip_torch)
target_precompile_headers(pixelclip_torch_pch PRIVATE <torch/utils.h> <torch/nn/module.h>
  <torch/nn/modules/container/moduledict.h> <torch/nn/modules/container/modulelist.h>
  <torch/nn/modules/container/sequential.h> <torch/nn/modules/conv.h> <torch/nn/modules/embedding.h>
  <torch/nn/modules/linear.h> <torch/nn/modules/normalization.h>)

# Compiles the sources of a target some at a time, with LibTorch's precompiled headers where it uses them.
function(pixelclip_compile target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${PIXELCLIP_UNITY} UNITY_BUILD_BATCH_SIZE 20)
  get_target_property(libraries ${target} LINK_LIBRARIES)
  if("pixelclip_torch" IN_LIST libraries)
    target_precompile_headers(${target} REUSE_FROM pixelclip_torch_pch)
  endif()
endfunction()

# Layers without O3 are compiled with -O1 in release builds: libraries do their work, and compiling takes a quarter less
# time.
set(PIXELCLIP_O1 $<$<CONFIG:Release>:-O1>)

# pixelclip_layer(name [TORCH] [O3] DEPENDS layers... LINK libraries...)
function(pixelclip_layer name)
  cmake_parse_arguments(layer "TORCH;O3" "" "DEPENDS;LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/${name}/*.cpp")
  if(PIXELCLIP_CUDA)
    list(FILTER sources EXCLUDE REGEX "_no_nccl\\.cpp$")
  else()
    list(FILTER sources EXCLUDE REGEX "[^o]_nccl\\.cpp$")
  endif()
  set(library pixelclip_${name})
  list(TRANSFORM layer_DEPENDS PREPEND pixelclip_)
  if(TARGET opencv_videoio)
    list(FILTER sources EXCLUDE REGEX "/cli/video_none\\.cpp$")
  else()
    list(FILTER sources EXCLUDE REGEX "/cli/video_opencv\\.cpp$")
  endif()
  list(FILTER sources EXCLUDE REGEX "/cli/pixelclip\\.cpp$|/export/onnx_model(_none)?\\.cpp$")
  if(NOT sources)
    add_library(${library} INTERFACE)
    target_link_libraries(${library} INTERFACE pixelclip_options ${layer_DEPENDS} ${layer_LINK})
    return()
  endif()
  add_library(${library} STATIC ${sources})
  # Alone in their objects, so that a test program can bring its own instead.
  foreach(source ${sources})
    if(source MATCHES "(_nccl|argmax_gpu)\\.cpp$")
      set_source_files_properties("${source}" PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    endif()
  endforeach()
  target_link_libraries(${library} PUBLIC pixelclip_options ${layer_DEPENDS} ${layer_LINK})
  if(layer_TORCH)
    target_link_libraries(${library} PUBLIC pixelclip_torch)
  endif()
  pixelclip_compile(${library})
  if(NOT layer_O3)
    target_compile_options(${library} PRIVATE ${PIXELCLIP_O1})
  endif()
endfunction()

# Where nvcc is there the best class of each pixel is found on the GPU by a kernel, else by LibTorch's operations.
function(pixelclip_argmax_kernel)
  if(NOT CMAKE_CUDA_COMPILER)
    return()
  endif()
  add_library(pixelclip_argmax_kernel STATIC "${CMAKE_SOURCE_DIR}/src/inference/argmax_kernel.cu")
  set_target_properties(pixelclip_argmax_kernel PROPERTIES POSITION_INDEPENDENT_CODE ON CUDA_STANDARD 17)
  # Without fused products ties between classes fall as on the CPU.
  target_compile_options(pixelclip_argmax_kernel PRIVATE -fmad=false)
  target_include_directories(pixelclip_argmax_kernel PRIVATE "${CMAKE_SOURCE_DIR}/src")
  target_link_libraries(pixelclip_inference PUBLIC pixelclip_argmax_kernel)
  target_compile_definitions(pixelclip_inference PRIVATE PIXELCLIP_ARGMAX_KERNEL)
endfunction()

# Writes the ONNX file. A library of its own, because LibTorch's include folder holds other versions of protobuf's headers.
function(pixelclip_onnx)
  if(TARGET onnx)
    add_library(pixelclip_onnx_model STATIC "${CMAKE_SOURCE_DIR}/src/export/onnx_model.cpp")
    target_link_libraries(pixelclip_onnx_model PRIVATE onnx)
  else()
    add_library(pixelclip_onnx_model STATIC "${CMAKE_SOURCE_DIR}/src/export/onnx_model_none.cpp")
  endif()
  target_link_libraries(pixelclip_onnx_model PUBLIC pixelclip_options pixelclip_base)
  target_compile_options(pixelclip_onnx_model PRIVATE ${PIXELCLIP_O1})
  target_include_directories(pixelclip_onnx_model PRIVATE "${PIXELCLIP_VERSION_INCLUDE}")
  target_link_libraries(pixelclip_export PUBLIC pixelclip_onnx_model)
endfunction()

# The web page becomes part of the program: each file of src/cli/serve/web a string in web_assets.hpp.
function(pixelclip_web_assets)
  foreach(file page.html style.css page.js)
    string(REPLACE "." "_" name "web_${file}")
    file(READ "${CMAKE_SOURCE_DIR}/src/cli/serve/web/${file}" ${name})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/cli/serve/web/${file}")
  endforeach()
  configure_file(cmake/web_assets.hpp.in "${CMAKE_BINARY_DIR}/generated/web_assets.hpp" @ONLY)
  target_include_directories(pixelclip_cli PRIVATE "${CMAKE_BINARY_DIR}/generated")
endfunction()

function(pixelclip_program)
  pixelclip_web_assets()
  add_executable(pixelclip "${CMAKE_SOURCE_DIR}/src/cli/pixelclip.cpp")
  target_link_libraries(pixelclip PRIVATE pixelclip_cli)
  target_include_directories(pixelclip PRIVATE "${PIXELCLIP_VERSION_INCLUDE}")
  target_compile_options(pixelclip PRIVATE ${PIXELCLIP_O1})
  target_precompile_headers(pixelclip REUSE_FROM pixelclip_torch_pch)
endfunction()

# What find_package(pixelclip) gives: one shared library that exports only the symbols marked in its headers.
function(pixelclip_library)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/library/*.cpp")
  add_library(pixelclip_library SHARED ${sources})
  target_link_libraries(pixelclip_library PRIVATE pixelclip_inference)
  target_include_directories(pixelclip_library PRIVATE "${PIXELCLIP_VERSION_INCLUDE}")
  target_compile_options(pixelclip_library PRIVATE ${PIXELCLIP_O1})
  target_link_options(pixelclip_library PRIVATE "LINKER:--exclude-libs,ALL")
  if(EXISTS "${unpacked}")
    # The linker of another project does not find what unpacked libraries need; the loader does, by the RPATH above them.
    target_link_options(pixelclip_library INTERFACE "LINKER:--allow-shlib-undefined")
  endif()
  target_precompile_headers(pixelclip_library REUSE_FROM pixelclip_torch_pch)
  set_target_properties(pixelclip_library PROPERTIES OUTPUT_NAME pixelclip EXPORT_NAME pixelclip
    SOVERSION ${PROJECT_VERSION_MAJOR} CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON)
endfunction()
