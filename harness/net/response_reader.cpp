#include "harness/net/response_reader.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace kvtier {
namespace {

constexpr std::size_t kMaxHeadBytes = 64 << 10;
constexpr std::uint64_t kMaxChunkBytes = 1ull << 40;

std::string_view Trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

/// The next line without its CRLF or LF; the text moves behind it.
std::string_view NextLine(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

bool ListHas(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    if (EqualsIgnoreCase(Trim(list.substr(0, comma)), token)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void ResponseReader::Reset() {
  *this = ResponseReader();
}

void ResponseReader::Break(std::string why) {
  state_ = State::kBroken;
  why_ = std::move(why);
}

std::size_t ResponseReader::Feed(std::string_view bytes, std::string& body) {
  std::size_t taken = 0;
  while (taken < bytes.size() && (state_ == State::kHead || state_ == State::kBody)) {
    const std::string_view rest = bytes.substr(taken);
    if (state_ == State::kHead) {
      taken += TakeHead(rest);
    } else if (framing_ == Framing::kChunked) {
      taken += TakeChunked(rest, body);
    } else if (framing_ == Framing::kUntilClose) {
      body += rest;
      taken = bytes.size();
    } else {
      const std::size_t part =
          static_cast<std::size_t>(std::min<std::uint64_t>(left_, rest.size()));
      body += rest.substr(0, part);
      taken += part;
      left_ -= part;
      if (left_ == 0) state_ = State::kComplete;
    }
  }
  return taken;
}

void ResponseReader::Finish() {
  if (state_ == State::kBody && framing_ == Framing::kUntilClose) state_ = State::kComplete;
}

std::size_t ResponseReader::TakeHead(std::string_view bytes) {
  // The blank line may be cut: look again at the last three bytes.
  const std::size_t from = head_.size() < 3 ? 0 : head_.size() - 3;
  const std::size_t had = head_.size();
  head_ += bytes.substr(0, kMaxHeadBytes + 1 - std::min(kMaxHeadBytes, had));
  std::size_t end = head_.find("\n\r\n", from);
  std::size_t end_bytes = 3;
  const std::size_t bare = head_.find("\n\n", from);
  if (bare < end) {
    end = bare;
    end_bytes = 2;
  }
  if (end == std::string::npos) {
    if (head_.size() > kMaxHeadBytes) Break("the header is longer than 64 KiB");
    return bytes.size();
  }
  const std::size_t taken = end + end_bytes - had;
  head_.resize(end);
  ParseHead();
  head_.clear();
  return taken;
}

void ResponseReader::ParseHead() {
  std::string_view text = head_;
  const std::string_view line = NextLine(text);
  const bool http11 = line.substr(0, 9) == "HTTP/1.1 ";
  int status = 0;
  if (!http11 && line.substr(0, 9) != "HTTP/1.0 ") {
    return Break(
        fmt::format("the answer does not begin with HTTP/1.1 but with '{}'", line.substr(0, 40)));
  }
  const auto [end, error] = std::from_chars(line.data() + 9, line.data() + line.size(), status);
  if (error != std::errc() || end != line.data() + 12 || status < 100) {
    return Break(fmt::format("bad status line '{}'", line.substr(0, 40)));
  }
  HttpHeaders headers;
  while (!text.empty()) {
    const std::string_view field = NextLine(text);
    const std::size_t colon = field.find(':');
    if (colon == std::string_view::npos || colon == 0) {
      return Break(fmt::format("bad header line '{}'", field.substr(0, 40)));
    }
    headers.emplace_back(std::string(field.substr(0, colon)),
                         std::string(Trim(field.substr(colon + 1))));
  }
  if (status < 200 && status != 101) return;  // an interim answer: the real one follows
  status_ = status;
  headers_ = std::move(headers);
  const std::string_view connection = FindHeader(headers_, "Connection");
  keep_alive_ = http11 ? !ListHas(connection, "close") : ListHas(connection, "keep-alive");
  Frame();
}

void ResponseReader::Frame() {
  state_ = State::kBody;
  const std::string_view coding = FindHeader(headers_, "Transfer-Encoding");
  const std::string_view length = FindHeader(headers_, "Content-Length");
  if (status_ == 204 || status_ == 304 || status_ == 101) {
    state_ = State::kComplete;
  } else if (!coding.empty()) {
    if (!EqualsIgnoreCase(coding, "chunked"))
      return Break(fmt::format("unknown transfer coding '{}'", coding));
    framing_ = Framing::kChunked;
  } else if (!length.empty()) {
    framing_ = Framing::kLength;
    const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), left_);
    if (error != std::errc() || end != length.data() + length.size()) {
      return Break(fmt::format("bad Content-Length '{}'", length.substr(0, 40)));
    }
    if (left_ == 0) state_ = State::kComplete;
  } else {
    framing_ = Framing::kUntilClose;
  }
}

std::size_t ResponseReader::TakeChunked(std::string_view bytes, std::string& body) {
  std::size_t at = 0;
  while (at < bytes.size() && state_ == State::kBody) {
    if (chunk_ == Chunk::kData) {
      const std::size_t part =
          static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size() - at));
      body += bytes.substr(at, part);
      at += part;
      left_ -= part;
      if (left_ == 0) chunk_ = Chunk::kDataEnd;
      continue;
    }
    const char c = bytes[at++];
    if (chunk_ == Chunk::kSize) {
      const int digit = HexDigit(c);
      if (digit >= 0) {
        left_ = left_ * 16 + static_cast<unsigned>(digit);
        ++size_digits_;
        if (left_ > kMaxChunkBytes || size_digits_ > 16) Break("a chunk size is beyond all bounds");
        continue;
      }
      if (size_digits_ == 0) {
        Break("a chunk has no size");
        continue;
      }
      chunk_ = Chunk::kExtension;  // falls through with this byte
    }
    if (chunk_ == Chunk::kExtension) {
      if (++trailer_bytes_ > kMaxHeadBytes) Break("a chunk extension is longer than 64 KiB");
      if (c != '\n') continue;
      size_digits_ = 0;
      trailer_bytes_ = 0;
      trailer_line_ = 0;
      chunk_ = left_ > 0 ? Chunk::kData : Chunk::kTrailer;
    } else if (chunk_ == Chunk::kDataEnd) {
      if (c == '\r') continue;
      if (c != '\n') Break("a chunk is longer than its size says");
      chunk_ = Chunk::kSize;
    } else if (c == '\n') {  // trailer
      if (trailer_line_ == 0) state_ = State::kComplete;
      trailer_line_ = 0;
    } else if (c != '\r') {
      ++trailer_line_;
      if (++trailer_bytes_ > kMaxHeadBytes) Break("the trailer is longer than 64 KiB");
    }
  }
  return at;
}

}  // namespace kvtier
