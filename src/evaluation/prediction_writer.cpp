#include "prediction_writer.hpp"

#include <vector>

#include "pixelclip/base/error.hpp"
#include "pixelclip/base/file.hpp"

namespace pixelclip {
namespace fs = std::filesystem;

PredictionWriter::PredictionWriter(fs::path folder, int rank, int world_size)
    : folder_(std::move(folder)), rank_(rank), world_size_(world_size) {
  if (folder_.empty()) return;
  make_writable_folder(folder_);
  lines_.open(part(rank), std::ios::binary | std::ios::trunc);
  if (!lines_) fail("cannot write ", part(rank).string(), ": ", system_reason());
}

PredictionWriter::~PredictionWriter() {
  if (folder_.empty()) return;
  lines_.close();
  std::error_code ignored;
  // Rank 0 removes all parts after it has joined them; a part of another rank may still be needed.
  if (rank_ == 0) {
    for (int rank = 0; rank < world_size_; ++rank) fs::remove(part(rank), ignored);
  }
}

fs::path PredictionWriter::part(int rank) const {
  return folder_ / str(".sem_seg_predictions.", rank, ".part");
}

void PredictionWriter::add(const std::string& elements) {
  if (!folder_.empty()) lines_ << elements << '\n';
}

void PredictionWriter::finish() {
  if (folder_.empty()) return;
  lines_.close();
  if (!lines_) fail("cannot write ", part(rank_).string(), ": ", system_reason());
}

void PredictionWriter::join() {
  if (folder_.empty() || rank_ != 0) return;
  write_atomically(folder_ / "sem_seg_predictions.json", [&](std::ostream& out) {
    std::vector<std::ifstream> parts;
    for (int rank = 0; rank < world_size_; ++rank) {
      parts.emplace_back(part(rank), std::ios::binary);
      if (!parts.back()) {
        fail("cannot read ", part(rank).string(), ", the predictions of rank ", rank,
             ": all ranks must write to one shared folder");
      }
    }
    out << '[';
    bool first = true;
    std::string line;
    // Rank r scored the items r, r + world size, …: one line of each in turn gives the set's order.
    for (bool any = true; any;) {
      any = false;
      for (std::ifstream& lines : parts) {
        if (!std::getline(lines, line)) continue;
        any = true;
        if (line.empty()) continue;
        out << (first ? "" : ", ") << line;
        first = false;
      }
    }
    out << ']';
  });
}

}  // namespace pixelclip
