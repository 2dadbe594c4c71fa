# The include folders of CUDA and NCCL for a LibTorch: the nvidia packages beside the wheel, else the toolkit, since
# LibTorch's archives come without headers. Sets `result` to them, or to nothing when one is missing, and `missing` to the
# names of those that are.
function(pixelclip_cuda_headers torch_dir result missing)
  if(NOT DEFINED PIXELCLIP_CUDA_PATHS)
    set(PIXELCLIP_CUDA_PATHS /usr/local/cuda /opt/cuda)
  endif()
  set(found "")
  set(absent "")
  # The wheel lacks crt/, which tools/setup.sh fetches.
  file(GLOB wheel "${torch_dir}/../nvidia/cu*/include" "${torch_dir}/../nvidia/nccl/include"
    "${CMAKE_SOURCE_DIR}/.deps/cuda-crt/nvidia/cu*/include")
  foreach(header cuda_runtime_api.h cublas_v2.h cusparse.h cusolverDn.h crt/host_config.h nccl.h)
    find_path(folder ${header} NO_CACHE
      HINTS ${wheel} ENV CUDA_HOME ENV CUDA_PATH ENV CUDAToolkit_ROOT ENV NCCL_ROOT ENV NCCL_HOME
      PATHS ${PIXELCLIP_CUDA_PATHS} PATH_SUFFIXES include targets/x86_64-linux/include targets/sbsa-linux/include)
    if(folder)
      string(REGEX REPLACE "/$" "" folder "${folder}")
      list(APPEND found "${folder}")
    else()
      list(APPEND absent ${header})
    endif()
    unset(folder)
  endforeach()
  list(REMOVE_DUPLICATES found)
  if(absent)
    set(found "")
  endif()
  set(${result} "${found}" PARENT_SCOPE)
  set(${missing} "${absent}" PARENT_SCOPE)
endfunction()
