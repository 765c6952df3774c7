#include "harness/net/sse.hpp"

#include <algorithm>
#include <cstring>

namespace kvtier {
namespace {

constexpr std::string_view kBom = "\xEF\xBB\xBF";

/// Position of the first CR or LF, or npos. Two memchr beat a byte loop: events are long and lines
/// end with LF.
std::size_t LineEnd(std::string_view bytes) {
  const std::size_t lf = bytes.find('\n');
  return std::min(lf, bytes.substr(0, lf).find('\r'));
}

}  // namespace

void SseSplitter::Reset() {
  *this = SseSplitter();
}

void SseSplitter::DropBom(std::string_view& bytes) {
  while (!bytes.empty()) {
    if (bytes.front() != kBom[bom_.size()]) {
      // Not a BOM after all: what looked like one belongs to the first line.
      line_ = bom_;
      bom_done_ = true;
      return;
    }
    bom_ += bytes.front();
    bytes.remove_prefix(1);
    if (bom_.size() == kBom.size()) {
      bom_done_ = true;
      return;
    }
  }
}

void SseSplitter::Feed(std::string_view bytes, const Sink& sink) {
  if (!bom_done_) DropBom(bytes);
  while (!bytes.empty()) {
    if (skip_lf_) {
      skip_lf_ = false;
      if (bytes.front() == '\n') {
        bytes.remove_prefix(1);
        continue;
      }
    }
    const std::size_t end = LineEnd(bytes);
    if (end == std::string_view::npos) {
      line_ += bytes;
      break;
    }
    skip_lf_ = bytes[end] == '\r';
    if (line_.empty()) {
      Line(bytes.substr(0, end), sink);
    } else {
      line_ += bytes.substr(0, end);
      // The view may not point into line_, which the next line reuses.
      std::string whole;
      whole.swap(line_);
      Line(whole, sink);
      if (has_data_ && data_view_.data() != nullptr) {
        data_.assign(data_view_);
        data_view_ = {};
      }
      whole.clear();
      line_.swap(whole);
    }
    bytes.remove_prefix(end + 1);
  }
  // Data that lies in this input must be kept before the input goes away.
  if (has_data_ && data_view_.data() != nullptr) {
    data_.assign(data_view_);
    data_view_ = {};
  }
}

void SseSplitter::Line(std::string_view line, const Sink& sink) {
  if (line.empty()) {
    if (has_data_) {
      const std::string_view data =
          data_view_.data() != nullptr ? data_view_ : std::string_view(data_);
      sink({type_.empty() ? std::string_view("message") : std::string_view(type_), data, id_});
    } else if (!type_.empty()) {
      dropped_type_ = type_;
    }
    has_data_ = false;
    data_.clear();
    data_view_ = {};
    type_.clear();
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == 0) {
    last_comment_ =
        line.substr(std::min<std::size_t>(line.size(), line.substr(1, 1) == " " ? 2 : 1));
    return;
  }
  const std::string_view field = line.substr(0, colon);
  std::string_view value;
  if (colon != std::string_view::npos) {
    value = line.substr(colon + 1);
    if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  }
  if (field == "data") {
    if (!has_data_) {
      has_data_ = true;
      data_view_ = value.data() != nullptr ? value : std::string_view("");
      return;
    }
    if (data_view_.data() != nullptr) {
      data_.assign(data_view_);
      data_view_ = {};
    }
    data_ += '\n';
    data_ += value;
  } else if (field == "event") {
    type_ = value;
  } else if (field == "id") {
    if (value.find('\0') == std::string_view::npos) id_ = value;
  }
}

}  // namespace kvtier
