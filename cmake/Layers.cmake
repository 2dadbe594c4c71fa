# One static library a layer. A layer sees the headers of the layers it depends on and links only
# those, so an upward call fails to link; a test greps the includes as well.

add_library(pixelclip_options INTERFACE)
target_include_directories(pixelclip_options INTERFACE "${CMAKE_SOURCE_DIR}/include")
# Where data files lie when the program runs from its source tree.
set_property(SOURCE "${CMAKE_SOURCE_DIR}/src/config/class_names.cpp" "${CMAKE_SOURCE_DIR}/src/text/bpe_tokenizer.cpp"
  APPEND PROPERTY COMPILE_DEFINITIONS PIXELCLIP_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
target_compile_options(pixelclip_options INTERFACE ${PIXELCLIP_WARNINGS} -ffp-contract=off
  # The same for programs and libraries, so that one precompiled header serves both.
  -fPIC)
if(PIXELCLIP_NATIVE)
  target_compile_options(pixelclip_options INTERFACE -march=native)
endif()
if(PIXELCLIP_SANITIZE)
  target_compile_options(pixelclip_options INTERFACE -fsanitize=${PIXELCLIP_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(pixelclip_options INTERFACE -fsanitize=${PIXELCLIP_SANITIZE})
endif()

# torch/torch.h costs about 20 s a translation unit; it is compiled once.
file(WRITE "${CMAKE_BINARY_DIR}/torch_pch.cpp" "")
add_library(pixelclip_torch_pch OBJECT "${CMAKE_BINARY_DIR}/torch_pch.cpp")
target_link_libraries(pixelclip_torch_pch PUBLIC pixelclip_options pixelclip_torch)
target_precompile_headers(pixelclip_torch_pch PRIVATE <torch/torch.h>)

# pixelclip_layer(name [TORCH] DEPENDS layers... LINK libraries...)
function(pixelclip_layer name)
  cmake_parse_arguments(layer "TORCH" "" "DEPENDS;LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/${name}/*.cpp")
  if(PIXELCLIP_CUDA)
    list(FILTER sources EXCLUDE REGEX "_no_nccl\\.cpp$")
  else()
    list(FILTER sources EXCLUDE REGEX "[^o]_nccl\\.cpp$")
  endif()
  set(library pixelclip_${name})
  list(TRANSFORM layer_DEPENDS PREPEND pixelclip_)
  if(NOT sources)
    add_library(${library} INTERFACE)
    target_link_libraries(${library} INTERFACE pixelclip_options ${layer_DEPENDS} ${layer_LINK})
    return()
  endif()
  add_library(${library} STATIC ${sources})
  target_link_libraries(${library} PUBLIC pixelclip_options ${layer_DEPENDS} ${layer_LINK})
  if(layer_TORCH)
    target_link_libraries(${library} PUBLIC pixelclip_torch)
    target_precompile_headers(${library} REUSE_FROM pixelclip_torch_pch)
  endif()
endfunction()

function(pixelclip_program)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/tools/*.cpp")
  add_executable(pixelclip ${sources})
  target_link_libraries(pixelclip PRIVATE pixelclip_engine pixelclip_torch CLI11::CLI11)
  target_precompile_headers(pixelclip REUSE_FROM pixelclip_torch_pch)
endfunction()
