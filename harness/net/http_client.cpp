#include "harness/net/http_client.hpp"

#include <array>
#include <set>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <fmt/format.h>

#include "harness/core/error.hpp"

namespace kvtier {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::size_t kMaxHeaderBytes = 64 << 10;
constexpr std::size_t kMaxBodyBytes = 256u << 20;

tcp::endpoint EndpointOf(const Url& url) {
  return {asio::ip::make_address_v4(url.host), url.port};
}

std::string RequestText(std::string_view method, const Url& url, std::string_view body,
                        const HttpHeaders& headers) {
  std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", method,
                                 url.target, url.Authority());
  for (const auto& [name, value] : headers) text += fmt::format("{}: {}\r\n", name, value);
  if (method != "GET") {
    if (FindHeader(headers, "Content-Type").empty()) text += "Content-Type: application/json\r\n";
    text += fmt::format("Content-Length: {}\r\n", body.size());
  }
  text += "\r\n";
  text += body;
  return text;
}

template <class Fields>
HttpHeaders HeadersOf(const Fields& fields) {
  HttpHeaders headers;
  for (const auto& field : fields)
    headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  return headers;
}

bool IsHttpError(const error_code& error) {
  return error.category() == http::make_error_code(http::error::bad_version).category() &&
         error != http::error::end_of_stream && error != http::error::partial_message;
}

HttpResponse Call(std::string_view method, const Url& url, std::string_view body,
                  std::chrono::milliseconds timeout, const HttpHeaders& headers) {
  asio::io_context io(1);
  beast::tcp_stream stream(io);
  stream.expires_after(timeout);
  const std::string request = RequestText(method, url, body, headers);
  http::response_parser<http::string_body> parser;
  parser.header_limit(kMaxHeaderBytes);
  parser.body_limit(kMaxBodyBytes);
  beast::flat_buffer buffer;
  error_code failure;
  stream.async_connect(EndpointOf(url), [&](error_code error) {
    if ((failure = error)) return;
    asio::async_write(stream, asio::buffer(request), [&](error_code write_error, std::size_t) {
      // A server may answer before it has read everything and close: read the answer all the same.
      if (write_error == beast::error::timeout) {
        failure = write_error;
        return;
      }
      http::async_read(stream, buffer, parser,
                       [&](error_code read_error, std::size_t) { failure = read_error; });
    });
  });
  io.run();
  if (!failure) {
    auto message = parser.release();
    return {static_cast<int>(message.result_int()), HeadersOf(message), std::move(message.body())};
  }
  const std::string what = fmt::format("{} {}", method, url.ToString());
  if (failure == beast::error::timeout) {
    throw IoError(fmt::format("{} had no complete answer after {} ms", what, timeout.count()));
  }
  if (IsHttpError(failure))
    throw ProtocolError(fmt::format("{} was not answered in HTTP: {}", what, failure.message()));
  throw IoError(fmt::format("{} failed: {}; is the server up?", what, failure.message()));
}

/// One streaming POST. Lives on the thread of its client; PostCancel() alone comes from elsewhere.
class StreamExchange : public std::enable_shared_from_this<StreamExchange> {
 public:
  StreamExchange(asio::io_context& io, const Url& url, std::string request,
                 HttpStreamCallbacks callbacks, std::chrono::milliseconds idle_timeout)
      : stream_(io),
        url_(url),
        request_(std::move(request)),
        callbacks_(std::move(callbacks)),
        idle_timeout_(idle_timeout) {
    parser_.header_limit(kMaxHeaderBytes);
    parser_.body_limit(boost::none);
  }

  void Start() {
    ArmTimeout();
    stream_.async_connect(EndpointOf(url_), [self = shared_from_this()](error_code error) {
      if (error) return self->End(error);
      error_code ignored;
      self->stream_.socket().set_option(tcp::no_delay(true), ignored);
      self->Send();
    });
  }

  void PostCancel() {
    asio::post(stream_.get_executor(), [self = shared_from_this()] { self->CancelHere(); });
  }

  void CancelHere() { EndWith("cancelled"); }
  void on_ended(std::function<void()> hook) { ended_hook_ = std::move(hook); }

 private:
  void ArmTimeout() {
    if (idle_timeout_.count() > 0) {
      stream_.expires_after(idle_timeout_);
    } else {
      stream_.expires_never();
    }
  }

  void Send() {
    asio::async_write(stream_, asio::buffer(request_),
                      [self = shared_from_this()](error_code error, std::size_t) {
                        if (error == beast::error::timeout) return self->End(error);
                        self->ArmTimeout();
                        http::async_read_header(self->stream_, self->buffer_, self->parser_,
                                                [self](error_code read_error, std::size_t) {
                                                  self->OnHead(read_error);
                                                });
                      });
  }

  void OnHead(error_code error) {
    if (ended_) return;
    if (error) return End(error);
    const auto& head = parser_.get();
    const bool going_on = Guarded([&] {
      if (callbacks_.on_headers)
        callbacks_.on_headers(static_cast<int>(head.result_int()), HeadersOf(head));
    });
    if (going_on) Read();
  }

  void Read() {
    if (parser_.is_done()) return EndWith("");
    ArmTimeout();
    parser_.get().body().data = chunk_.data();
    parser_.get().body().size = chunk_.size();
    http::async_read_some(
        stream_, buffer_, parser_,
        [self = shared_from_this()](error_code error, std::size_t) { self->OnData(error); });
  }

  void OnData(error_code error) {
    if (ended_) return;
    if (error == http::error::need_buffer) error = {};
    const std::size_t filled = chunk_.size() - parser_.get().body().size;
    const bool going_on = Guarded([&] {
      if (filled > 0 && callbacks_.on_data) callbacks_.on_data({chunk_.data(), filled});
    });
    if (!going_on) return;
    if (error) return End(error);
    Read();
  }

  /// Runs a callback; false when the stream has ended in it.
  template <class F>
  bool Guarded(F&& callback) {
    try {
      callback();
    } catch (const std::exception& e) {
      EndWith(e.what());
    }
    return !ended_;
  }

  void End(error_code error) {
    EndWith(
        error == beast::error::timeout
            ? fmt::format("POST {} sent nothing for {} ms", url_.ToString(), idle_timeout_.count())
            : fmt::format("POST {} failed: {}", url_.ToString(), error.message()));
  }

  void EndWith(const std::string& error) {
    if (ended_) return;
    ended_ = true;
    error_code ignored;
    stream_.socket().close(ignored);
    stream_.expires_never();
    auto callbacks = std::move(callbacks_);
    callbacks_ = {};
    if (callbacks.on_end) {
      try {
        callbacks.on_end(error);
      } catch (const std::exception&) {
        // Nobody is left to tell: on_end was the last word of this stream.
      }
    }
    if (ended_hook_) ended_hook_();
  }

  beast::tcp_stream stream_;
  const Url url_;
  const std::string request_;
  HttpStreamCallbacks callbacks_;
  const std::chrono::milliseconds idle_timeout_;
  std::function<void()> ended_hook_;
  http::response_parser<http::buffer_body> parser_;
  beast::flat_buffer buffer_;
  std::array<char, 16384> chunk_{};
  bool ended_ = false;
};

/// What the caller holds: it does not keep the exchange alive, so it may outlive the client.
class StreamHandle : public HttpStream {
 public:
  explicit StreamHandle(std::weak_ptr<StreamExchange> exchange) : exchange_(std::move(exchange)) {}
  void Cancel() override {
    if (const auto exchange = exchange_.lock()) exchange->PostCancel();
  }

 private:
  std::weak_ptr<StreamExchange> exchange_;
};

}  // namespace

HttpResponse HttpGet(const Url& url, std::chrono::milliseconds timeout,
                     const HttpHeaders& headers) {
  return Call("GET", url, {}, timeout, headers);
}

HttpResponse HttpPost(const Url& url, std::string_view body, std::chrono::milliseconds timeout,
                      const HttpHeaders& headers) {
  return Call("POST", url, body, timeout, headers);
}

class HttpStreamClient::Impl {
 public:
  Impl() : work_(asio::make_work_guard(io_)), thread_([this] { io_.run(); }) {}

  ~Impl() {
    asio::post(io_, [this] {
      const auto streams = live_;  // ending one takes it out of the set
      for (const auto& stream : streams) stream->CancelHere();
      work_.reset();
    });
    thread_.join();
  }

  std::shared_ptr<HttpStream> Post(const Url& url, std::string body, const HttpHeaders& headers,
                                   HttpStreamCallbacks callbacks,
                                   std::chrono::milliseconds idle_timeout) {
    auto stream = std::make_shared<StreamExchange>(
        io_, url, RequestText("POST", url, body, headers), std::move(callbacks), idle_timeout);
    asio::post(io_, [this, stream] {
      live_.insert(stream);
      stream->on_ended([this, weak = std::weak_ptr(stream)] { live_.erase(weak.lock()); });
      stream->Start();
    });
    return std::make_shared<StreamHandle>(stream);
  }

 private:
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::set<std::shared_ptr<StreamExchange>> live_;  // on thread_ only
  std::thread thread_;
};

HttpStreamClient::HttpStreamClient() : impl_(std::make_unique<Impl>()) {}
HttpStreamClient::~HttpStreamClient() = default;

std::shared_ptr<HttpStream> HttpStreamClient::Post(const Url& url, std::string body,
                                                   const HttpHeaders& headers,
                                                   HttpStreamCallbacks callbacks,
                                                   std::chrono::milliseconds idle_timeout) {
  return impl_->Post(url, std::move(body), headers, std::move(callbacks), idle_timeout);
}

}  // namespace kvtier
