#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace kvtier {

/// A connection to a NATS server for KV events: fire-and-forget publishing and plain
/// subscriptions. What is published while the server is away waits in the client's buffer or is
/// lost; readers see that as a gap in the event ids.
class NatsLink {
 public:
  /// `url` as in NATS_SERVER, "nats://127.0.0.1:4222". Throws IoError naming it when no server
  /// answers within `limit`.
  explicit NatsLink(const std::string& url,
                    std::chrono::milliseconds limit = std::chrono::seconds(5));
  ~NatsLink();
  NatsLink(const NatsLink&) = delete;
  NatsLink& operator=(const NatsLink&) = delete;

  /// Does not wait for the server. Throws IoError when the client refuses it.
  void Publish(const std::string& subject, std::string_view bytes);
  /// `on_message` runs on a thread of the client, in the order of the server. One subscription a
  /// link; it ends with the link. Throws IoError.
  void Subscribe(const std::string& subject, std::function<void(std::string_view)> on_message);
  /// Waits until the server has taken what was published and knows the subscription. Throws
  /// IoError.
  void Flush(std::chrono::milliseconds limit);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kvtier
