#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "harness/net/responder_channel.hpp"

namespace kvtier {
namespace {

std::string HeadText(Responder::Channel& channel, int status, std::string_view content_type,
                     const HttpHeaders& headers) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", status, ReasonPhrase(status));
  if (!content_type.empty()) head += fmt::format("Content-Type: {}\r\n", content_type);
  for (const auto& [name, value] : headers) head += fmt::format("{}: {}\r\n", name, value);
  if (!channel.keep_alive) head += "Connection: close\r\n";
  return head;
}

}  // namespace

void Responder::Channel::ClientIsGone() {
  std::function<void()> callback;
  std::shared_ptr<HttpConnection> released;  // dies after the lock
  {
    std::lock_guard lock(mutex);
    released = std::move(connection);
    pending.clear();
    if (!ended && !aborted) {
      gone = true;
      callback = std::move(on_gone);
    }
    on_gone = nullptr;
  }
  if (callback) callback();
}

Responder::Responder(std::shared_ptr<Channel> channel) : channel_(std::move(channel)) {}

Responder::~Responder() {
  bool unanswered = false, open = false;
  {
    std::lock_guard lock(channel_->mutex);
    unanswered = !channel_->head_sent;
    open = channel_->streaming && !channel_->ended;
  }
  if (unanswered) {
    SendFull(500, "application/json",
             R"({"message":"No answer","type":"Internal Server Error","code":500})");
  } else if (open) {
    Abort();
  }
}

void Responder::SendFull(int status, std::string_view content_type, std::string_view body,
                         const HttpHeaders& headers) {
  std::lock_guard lock(channel_->mutex);
  if (!channel_->Writable() || channel_->head_sent) return;
  channel_->head_sent = true;
  channel_->pending += HeadText(*channel_, status, content_type, headers);
  channel_->pending += fmt::format("Content-Length: {}\r\n\r\n", body.size());
  if (!channel_->head_only) channel_->pending += body;
  channel_->ended = true;
  channel_->on_gone = nullptr;
  channel_->PostFlush();
}

void Responder::StartStream(int status, std::string_view content_type, const HttpHeaders& headers) {
  std::lock_guard lock(channel_->mutex);
  if (!channel_->Writable() || channel_->head_sent) return;
  channel_->head_sent = true;
  channel_->streaming = true;
  channel_->pending += HeadText(*channel_, status, content_type, headers);
  channel_->pending += channel_->http10 ? "\r\n" : "Transfer-Encoding: chunked\r\n\r\n";
  channel_->PostFlush();
}

void Responder::Write(std::string_view bytes) {
  std::lock_guard lock(channel_->mutex);
  if (!channel_->Writable() || !channel_->streaming || bytes.empty() || channel_->head_only) return;
  if (channel_->pending.size() + bytes.size() > channel_->max_unsent) {
    channel_->pending.clear();
    channel_->aborted = true;
  } else if (channel_->http10) {
    channel_->pending += bytes;
  } else {
    fmt::format_to(std::back_inserter(channel_->pending), "{:x}\r\n{}\r\n", bytes.size(), bytes);
  }
  channel_->PostFlush();
}

void Responder::End() {
  std::lock_guard lock(channel_->mutex);
  if (!channel_->Writable() || !channel_->streaming) return;
  if (!channel_->head_only && !channel_->http10) channel_->pending += "0\r\n\r\n";
  channel_->ended = true;
  channel_->on_gone = nullptr;
  channel_->PostFlush();
}

void Responder::Abort() {
  std::lock_guard lock(channel_->mutex);
  if (!channel_->Writable()) return;
  channel_->head_sent = true;
  channel_->aborted = true;
  channel_->on_gone = nullptr;
  channel_->PostFlush();
}

void Responder::OnClientGone(std::function<void()> callback) {
  {
    std::lock_guard lock(channel_->mutex);
    if (!channel_->gone) {
      if (!channel_->ended && !channel_->aborted) channel_->on_gone = std::move(callback);
      return;
    }
  }
  callback();
}

bool Responder::ClientGone() const {
  std::lock_guard lock(channel_->mutex);
  return channel_->gone;
}

}  // namespace kvtier
