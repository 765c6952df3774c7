#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "harness/net/http.hpp"

namespace kvtier {

/// Incremental reader of one HTTP/1.1 answer (RFC 9112): the head, then the body without its
/// transfer coding. Input may be cut anywhere. Pure; after the head it costs a scan of the chunk
/// sizes and one append a read.
class ResponseReader {
 public:
  enum class State { kHead, kBody, kComplete, kBroken };

  /// Takes bytes, appends body bytes to `body`, returns how many were taken: fewer than given only
  /// once the answer is complete or broken.
  std::size_t Feed(std::string_view bytes, std::string& body);
  /// The connection ended: completes a body that lasts until then.
  void Finish();
  /// Ready for the next answer on the same connection.
  void Reset();

  State state() const { return state_; }
  bool has_head() const { return status_ != 0; }
  int status() const { return status_; }
  const HttpHeaders& headers() const { return headers_; }
  HttpHeaders TakeHeaders() { return std::move(headers_); }
  /// May the connection carry another request after this answer?
  bool keep_alive() const { return keep_alive_ && framing_ != Framing::kUntilClose; }
  /// What was wrong with the bytes, when broken.
  const std::string& why() const { return why_; }

 private:
  enum class Framing { kNone, kLength, kChunked, kUntilClose };
  enum class Chunk { kSize, kExtension, kData, kDataEnd, kTrailer };

  std::size_t TakeHead(std::string_view bytes);
  std::size_t TakeChunked(std::string_view bytes, std::string& body);
  void ParseHead();
  void Frame();
  void Break(std::string why);

  State state_ = State::kHead;
  std::string head_;
  int status_ = 0;
  HttpHeaders headers_;
  bool keep_alive_ = true;
  Framing framing_ = Framing::kNone;
  std::uint64_t left_ = 0;  // body or chunk bytes to come
  Chunk chunk_ = Chunk::kSize;
  int size_digits_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::size_t trailer_line_ = 0;
  std::string why_;
};

}  // namespace kvtier
