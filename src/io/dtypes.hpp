#pragma once

#include <torch/types.h>

#include <array>
#include <optional>
#include <string_view>

/// The element types of checkpoint files and what each format calls them.
namespace pixelclip::io {

struct DtypeNames {
  torch::ScalarType type;
  const char* torch;        ///< torch.NAME
  const char* storage;      ///< torch.NAME, the legacy storage class; empty when there is none
  const char* safetensors;  ///< empty when the format lacks it
};

inline constexpr std::array<DtypeNames, 17> kDtypes{{
    {torch::kFloat, "float32", "FloatStorage", "F32"},
    {torch::kHalf, "float16", "HalfStorage", "F16"},
    {torch::kBFloat16, "bfloat16", "BFloat16Storage", "BF16"},
    {torch::kDouble, "float64", "DoubleStorage", "F64"},
    {torch::kLong, "int64", "LongStorage", "I64"},
    {torch::kInt, "int32", "IntStorage", "I32"},
    {torch::kShort, "int16", "ShortStorage", "I16"},
    {torch::kChar, "int8", "CharStorage", "I8"},
    {torch::kByte, "uint8", "ByteStorage", "U8"},
    {torch::kBool, "bool", "BoolStorage", "BOOL"},
    {torch::kComplexFloat, "complex64", "ComplexFloatStorage", "C64"},
    {torch::kComplexDouble, "complex128", "ComplexDoubleStorage", ""},
    {torch::kUInt16, "uint16", "", "U16"},
    {torch::kUInt32, "uint32", "", "U32"},
    {torch::kUInt64, "uint64", "", "U64"},
    {torch::kFloat8_e4m3fn, "float8_e4m3fn", "", "F8_E4M3"},
    {torch::kFloat8_e5m2, "float8_e5m2", "", "F8_E5M2"},
}};

/// The entry whose `member` is `name`, or null.
inline const DtypeNames* find_dtype(const char* DtypeNames::*member, std::string_view name) {
  for (const auto& entry : kDtypes) {
    if (!name.empty() && name == entry.*member) return &entry;
  }
  return nullptr;
}

inline const DtypeNames* find_dtype(torch::ScalarType type) {
  for (const auto& entry : kDtypes) {
    if (entry.type == type) return &entry;
  }
  return nullptr;
}

}  // namespace pixelclip::io
