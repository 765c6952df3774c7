#pragma once
#include <functional>
#include <string>
#include <string_view>

namespace kvtier {

/// One dispatched event. The views live until the sink returns.
struct SseEvent {
  std::string_view type;  // "message" when the stream named none
  std::string_view data;  // lines joined with '\n'
  std::string_view id;    // last event id
};

/// Incremental event-stream parser of the WHATWG HTML standard, section 9.2.6: input may be cut
/// anywhere, lines end with LF, CRLF or CR, comments and unknown fields are ignored, a leading BOM
/// is dropped, events without data are not dispatched, an event without its blank line at the end
/// of the stream is discarded. Bytes are passed through as they are; UTF-8 is the reader's
/// business. Allocates only when an event is cut between reads or has several data lines.
class SseSplitter {
 public:
  using Sink = std::function<void(const SseEvent&)>;
  void Feed(std::string_view bytes, const Sink& sink);
  /// Ready for a new stream.
  void Reset();
  /// Dynamo up to 1.0.1 reports an error as `event: error` and a comment without any data, which
  /// the standard drops: the type of the last event that was dropped for want of data, and the last
  /// comment.
  const std::string& dropped_type() const { return dropped_type_; }
  const std::string& last_comment() const { return last_comment_; }
  /// Bytes held of an unfinished event: the caller bounds it.
  std::size_t held_bytes() const { return line_.size() + data_.size(); }

 private:
  void Line(std::string_view line, const Sink& sink);
  void DropBom(std::string_view& bytes);

  std::string line_;            // the beginning of a line that is not complete yet
  std::string data_;            // data lines that had to be kept
  std::string_view data_view_;  // the only data line, when it lies in the input of this Feed
  bool has_data_ = false;
  std::string type_;
  std::string id_;
  std::string dropped_type_;
  std::string last_comment_;
  std::string bom_;
  bool bom_done_ = false;
  bool skip_lf_ = false;  // the last byte was a CR
};

}  // namespace kvtier
