#include "io/safetensors_header.hpp"

#include <nlohmann/json.hpp>
#include <unordered_set>

#include "base/error.hpp"

namespace pixelclip::io {
namespace {

/// Receives the header's JSON piece by piece: {name: {dtype, shape: [], data_offsets: []}, …,
/// __metadata__: {text: text}}.
class Handler : public nlohmann::json_sax<nlohmann::json> {
 public:
  Handler(std::string file, SafetensorsHeader& header) : file_(std::move(file)), header_(header) {}

  bool null() override { refuse("null"); }
  bool boolean(bool) override { refuse("a boolean"); }
  bool number_integer(number_integer_t) override { refuse("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { refuse("a fractional number"); }
  bool binary(binary_t&) override { refuse("binary data"); }

  bool number_unsigned(number_unsigned_t number) override {
    if (depth_ != 2 || !in_list_) refuse("a number");
    if (numbers_.size() == 64) refuse("a list of more than 64 numbers");
    numbers_.push_back(number);
    return true;
  }

  bool string(string_t& text) override {
    if (depth_ == 2 && metadata_ && !in_list_) {
      header_.metadata[key_] = text;
    } else if (depth_ == 2 && key_ == "dtype" && !in_list_) {
      header_.entries.back().dtype = text;
      seen_ |= kDtype;
    } else {
      refuse("a text");
    }
    return true;
  }

  bool key(string_t& name) override {
    key_ = name;
    if (depth_ == 1) {
      if (!names_.insert(name).second) fail(file_, ": '", printable(name), "' is there twice");
      metadata_ = name == "__metadata__";
      if (!metadata_) header_.entries.push_back({name, {}, {}, 0, 0});
      seen_ = 0;
    } else if (!metadata_ && name != "dtype" && name != "shape" && name != "data_offsets") {
      refuse("the unknown field '" + printable(name) + "'");
    }
    return true;
  }

  bool start_object(size_t) override {
    if (in_list_ || ++depth_ > 2) refuse("an object");
    return true;
  }

  bool end_object() override {
    if (depth_-- == 2 && !metadata_ && seen_ != (kDtype | kShape | kOffsets)) {
      fail(file_, ": tensor '", printable(header_.entries.back().name),
           "' lacks its dtype, shape or data_offsets");
    }
    return true;
  }

  bool start_array(size_t) override {
    if (in_list_ || depth_ != 2 || metadata_ || key_ == "dtype") refuse("a list");
    in_list_ = true;
    numbers_.clear();
    return true;
  }

  bool end_array() override {
    in_list_ = false;
    HeaderEntry& entry = header_.entries.back();
    if (key_ == "shape") {
      entry.shape = numbers_;
      seen_ |= kShape;
    } else {
      if (numbers_.size() != 2) refuse("data_offsets that are not two numbers");
      entry.begin = numbers_[0];
      entry.end = numbers_[1];
      seen_ |= kOffsets;
    }
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    fail(file_, ": the safetensors header is not valid JSON at its byte ", position,
         "; is this a safetensors file?");
  }

 private:
  enum : unsigned { kDtype = 1, kShape = 2, kOffsets = 4 };

  [[noreturn]] void refuse(const std::string& what) const {
    const std::string entry = depth_ == 0 || header_.entries.empty() || metadata_
                                  ? "the safetensors header"
                                  : "tensor '" + printable(header_.entries.back().name) + "'";
    fail(file_, ": ", entry, " holds ", what, " where it should not");
  }

  std::string file_;
  SafetensorsHeader& header_;
  std::unordered_set<std::string> names_;
  std::string key_;
  std::vector<uint64_t> numbers_;
  int depth_ = 0;
  bool in_list_ = false, metadata_ = false;
  unsigned seen_ = 0;
};

}  // namespace

SafetensorsHeader parse_safetensors_header(std::span<const uint8_t> json, const std::string& file) {
  SafetensorsHeader header;
  Handler handler(file, header);
  // Spaces may follow the object; nothing else may.
  nlohmann::json::sax_parse(json.begin(), json.end(), &handler);
  return header;
}

}  // namespace pixelclip::io
