#include "harness/net/kv_events_nats.hpp"

#include <cstdint>
#include <limits>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <nats/nats.h>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

struct Destroy {
  void operator()(natsOptions* o) const { natsOptions_Destroy(o); }
  void operator()(natsConnection* c) const { natsConnection_Destroy(c); }
  void operator()(natsSubscription* s) const { natsSubscription_Destroy(s); }
};

}  // namespace

class NatsLink::Impl {
 public:
  Impl(std::string url, std::chrono::milliseconds limit) : url_(std::move(url)) {
    natsOptions* options = nullptr;
    Check(natsOptions_Create(&options), "make options for");
    const std::unique_ptr<natsOptions, Destroy> owner(options);
    Check(natsOptions_SetURL(options, url_.c_str()), "read the URL");
    Check(natsOptions_SetTimeout(options, limit.count()), "set a time limit for");
    Check(natsOptions_SetMaxReconnect(options, -1), "set the reconnects to");
    Check(natsOptions_SetReconnectWait(options, 100), "set the reconnect time to");
    natsConnection* connection = nullptr;
    Check(natsConnection_Connect(&connection, options), "connect to");
    connection_.reset(connection);
  }
  ~Impl() {
    if (subscription_) natsSubscription_Unsubscribe(subscription_.get());  // wakes the reader
    if (reader_.joinable()) reader_.join();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void Publish(const std::string& subject, std::string_view bytes) {
    if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
      throw IoError("a message for NATS is over 2 GiB");
    Check(natsConnection_Publish(connection_.get(), subject.c_str(), bytes.data(),
                                 static_cast<int>(bytes.size())),
          "publish to");
  }

  void Subscribe(const std::string& subject, std::function<void(std::string_view)> on_message) {
    natsSubscription* subscription = nullptr;
    Check(natsConnection_SubscribeSync(&subscription, connection_.get(), subject.c_str()),
          "subscribe at");
    subscription_.reset(subscription);
    // A reader that falls behind would lose messages at the client's default of 65536.
    Check(natsSubscription_SetPendingLimits(subscription, -1, -1), "lift the limits at");
    // The client's own callbacks may still run after an unsubscribe.
    reader_ = std::thread(
        [subscription, on_message = std::move(on_message)] { Read(subscription, on_message); });
  }

  void Flush(std::chrono::milliseconds limit) {
    Check(natsConnection_FlushTimeout(connection_.get(), limit.count()), "flush to");
  }

 private:
  static void Read(natsSubscription* subscription,
                   const std::function<void(std::string_view)>& on_message) {
    constexpr std::int64_t kWait = 1000;
    for (;;) {
      natsMsg* message = nullptr;
      const natsStatus status = natsSubscription_NextMsg(&message, subscription, kWait);
      if (status == NATS_OK) {
        on_message(
            {natsMsg_GetData(message), static_cast<std::size_t>(natsMsg_GetDataLength(message))});
        natsMsg_Destroy(message);
      } else if (status != NATS_TIMEOUT && natsSubscription_IsValid(subscription) == false) {
        return;
      }
    }
  }

  void Check(natsStatus status, const char* what) const {
    if (status == NATS_OK) return;
    throw IoError(
        fmt::format("cannot {} the NATS server {}: {}", what, url_, natsStatus_GetText(status)));
  }

  const std::string url_;
  std::unique_ptr<natsConnection, Destroy> connection_;
  std::unique_ptr<natsSubscription, Destroy> subscription_;
  std::thread reader_;
};

NatsLink::NatsLink(const std::string& url, std::chrono::milliseconds limit)
    : impl_(std::make_unique<Impl>(url, limit)) {}
NatsLink::~NatsLink() = default;
void NatsLink::Publish(const std::string& subject, std::string_view bytes) {
  impl_->Publish(subject, bytes);
}
void NatsLink::Subscribe(const std::string& subject,
                         std::function<void(std::string_view)> on_message) {
  impl_->Subscribe(subject, std::move(on_message));
}
void NatsLink::Flush(std::chrono::milliseconds limit) {
  impl_->Flush(limit);
}

}  // namespace kvtier
