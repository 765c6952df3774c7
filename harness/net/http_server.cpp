#include "harness/net/http_server.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/net/responder_channel.hpp"

namespace kvtier {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::size_t kMaxHeaderBytes = 64 << 10;
/// Room for the bytes that a client sends while its answer is on the way: enough to notice that it
/// hung up.
constexpr std::size_t kWatchBytes = 16 << 10;

}  // namespace

/// One client connection: reads a request, hands it on, then watches for the client to hang up
/// while the answer is written. All members run on the strand unless said otherwise.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(tcp::socket socket, const HttpServer::Options& options,
                 const HttpServer::Handler& handler)
      : socket_(std::move(socket)), options_(options), handler_(handler) {}

  void Start() {
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    asio::post(socket_.get_executor(), [self = shared_from_this()] { self->ReadHead(); });
  }

  /// From any thread, with the channel's mutex held.
  void PostFlush() {
    asio::post(socket_.get_executor(), [self = shared_from_this()] { self->Flush(); });
  }

  /// Tells the channel that nobody listens any more.
  void Detach() {
    if (auto channel = std::move(channel_)) channel->ClientIsGone();
  }

 private:
  void ReadHead() {
    parser_.emplace();
    parser_->header_limit(kMaxHeaderBytes);
    parser_->body_limit(options_.max_body_bytes);
    http::async_read_header(
        socket_, buffer_, *parser_,
        [self = shared_from_this()](error_code error, std::size_t) { self->OnHead(error); });
  }

  void OnHead(error_code error) {
    if (error) return Refuse(error);
    if (EqualsIgnoreCase(parser_->get()[http::field::expect], "100-continue")) {
      static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      asio::async_write(socket_, asio::buffer(kContinue.data(), kContinue.size()),
                        [self = shared_from_this()](error_code write_error, std::size_t) {
                          if (!write_error) self->ReadBody();
                        });
      return;
    }
    ReadBody();
  }

  void ReadBody() {
    http::async_read(socket_, buffer_, *parser_,
                     [self = shared_from_this()](error_code error, std::size_t) {
                       if (error) return self->Refuse(error);
                       self->OnRequest();
                     });
  }

  /// Answers what is not a request that the handler should see; a vanished client needs no answer.
  void Refuse(error_code error) {
    int status = 400;
    if (error == http::error::end_of_stream || error == http::error::partial_message ||
        error.category() != http::make_error_code(http::error::bad_version).category()) {
      return Close();
    }
    if (error == http::error::body_limit) status = 413;
    if (error == http::error::header_limit || error == http::error::buffer_overflow) status = 431;
    auto channel = NewChannel(false);
    Responder(channel).SendFull(status, "application/json",
                                fmt::format(R"({{"message":"{}","type":"{}","code":{}}})",
                                            error.message(), ReasonPhrase(status), status));
  }

  std::shared_ptr<Responder::Channel> NewChannel(bool keep_alive) {
    channel_ = std::make_shared<Responder::Channel>();
    channel_->connection = shared_from_this();
    channel_->keep_alive = keep_alive;
    channel_->max_unsent = options_.max_unsent_bytes;
    return channel_;
  }

  void OnRequest() {
    auto message = parser_->release();
    HttpRequest request;
    request.method = std::string(message.method_string());
    request.target = std::string(message.target());
    for (const auto& field : message) {
      request.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
    request.body = std::move(message.body());
    auto channel = NewChannel(message.keep_alive() && message.version() >= 11);
    channel->head_only = message.method() == http::verb::head;
    channel->http10 = message.version() < 11;
    Watch();
    auto responder = std::make_shared<Responder>(channel);
    try {
      handler_(request, responder);
    } catch (const std::exception&) {
      // Internals stay inside; a stream that was open is cut by the Responder's end.
      responder->SendFull(
          500, "application/json",
          R"({"message":"Internal server error","type":"Internal Server Error","code":500})");
    }
  }

  /// A read that is always pending while an answer is on the way: its end of file is how a hung-up
  /// client shows. Bytes of a pipelined request stay in buffer_ for the next ReadHead; then the
  /// hang-up shows at a failing write.
  void Watch() {
    watching_ = true;
    socket_.async_read_some(
        buffer_.prepare(kWatchBytes),
        [self = shared_from_this()](error_code error, std::size_t n) { self->OnWatch(error, n); });
  }

  void OnWatch(error_code error, std::size_t n) {
    watching_ = false;
    if (error) return Close();
    if (closing_) {
      // Unread bytes at close() would turn into a reset that could overtake the answer.
      lingered_ += n;
      return lingered_ > options_.max_body_bytes ? Close() : Watch();
    }
    buffer_.commit(n);
    if (!channel_) ReadHead();
  }

  void Flush() {
    if (!channel_ || writing_) return;
    bool aborted = false, ended = false;
    {
      std::lock_guard lock(channel_->mutex);
      channel_->flush_posted = false;
      sending_.clear();
      std::swap(sending_, channel_->pending);
      aborted = channel_->aborted;
      ended = channel_->ended;
    }
    if (!sending_.empty()) {
      writing_ = true;
      asio::async_write(socket_, asio::buffer(sending_),
                        [self = shared_from_this()](error_code error, std::size_t) {
                          self->writing_ = false;
                          if (error) return self->Close();
                          self->Flush();
                        });
    } else if (aborted) {
      Reset();
    } else if (ended) {
      AnswerDone();
    }
  }

  void AnswerDone() {
    const bool keep_alive = channel_->keep_alive;
    const auto self = shared_from_this();
    {
      std::lock_guard lock(channel_->mutex);
      channel_->connection.reset();
    }
    channel_.reset();
    if (!keep_alive) {
      error_code ignored;
      socket_.shutdown(tcp::socket::shutdown_send, ignored);
      closing_ = true;  // until the client has closed too
      if (!watching_) Watch();
    } else if (!watching_) {
      ReadHead();
    }
  }

  void Reset() {
    error_code ignored;
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    Close();
  }

  void Close() {
    error_code ignored;
    socket_.close(ignored);
    Detach();
  }

  tcp::socket socket_;
  const HttpServer::Options& options_;
  const HttpServer::Handler& handler_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::shared_ptr<Responder::Channel> channel_;  // of the answer on the way
  std::string sending_;
  bool watching_ = false;
  bool writing_ = false;
  bool closing_ = false;
  std::size_t lingered_ = 0;
};

void Responder::Channel::PostFlush() {
  if (flush_posted || connection == nullptr) return;
  flush_posted = true;
  connection->PostFlush();
}

std::string_view HttpRequest::path() const {
  return std::string_view(target).substr(0, target.find('?'));
}

class HttpServer::Impl {
 public:
  Impl(const Options& options, Handler handler)
      : options_(options), handler_(std::move(handler)), acceptor_(io_), retry_(io_) {
    error_code error;
    const auto address = asio::ip::make_address_v4(
        options_.host == "localhost" ? "127.0.0.1" : options_.host, error);
    const std::string place = fmt::format("{}:{}", options_.host, options_.port);
    if (error) throw IoError(fmt::format("cannot listen on {}: not a dotted address", place));
    const tcp::endpoint endpoint(address, options_.port);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) throw IoError::FromErrno("listen on", place, error.value());
    port_ = acceptor_.local_endpoint().port();
    Accept();
    for (int i = 0; i < std::max(1, options_.threads); ++i) {
      threads_.emplace_back([this] { io_.run(); });
    }
  }

  ~Impl() { Stop(); }

  void Stop() {
    if (stopped_) return;
    stopped_ = true;
    io_.stop();
    for (auto& thread : threads_) thread.join();
    threads_.clear();
    error_code ignored;
    acceptor_.close(ignored);
    // No thread of ours runs any more. Responders held elsewhere learn here that nobody listens;
    // the connections themselves die with the handlers that io_ still holds.
    for (const auto& weak : connections_) {
      if (auto connection = weak.lock()) connection->Detach();
    }
  }

  std::uint16_t port() const { return port_; }
  const Options& options() const { return options_; }

 private:
  void Accept() {
    acceptor_.async_accept(asio::make_strand(io_), [this](error_code error, tcp::socket socket) {
      if (error) {
        // Out of descriptors or memory: the backlog waits, the running streams go on.
        retry_.expires_after(std::chrono::milliseconds(20));
        retry_.async_wait([this](error_code timer_error) {
          if (!timer_error) Accept();
        });
        return;
      }
      auto connection = std::make_shared<HttpConnection>(std::move(socket), options_, handler_);
      // Only the accepting handler touches the set, one at a time; dead entries go when it has
      // doubled.
      if (connections_.size() >= sweep_at_) {
        std::erase_if(connections_, [](const auto& weak) { return weak.expired(); });
        sweep_at_ = std::max<std::size_t>(64, 2 * connections_.size());
      }
      connections_.insert(connection);
      connection->Start();
      Accept();
    });
  }

  const Options options_;
  const Handler handler_;
  std::set<std::weak_ptr<HttpConnection>, std::owner_less<>> connections_;
  std::size_t sweep_at_ = 64;
  asio::io_context io_;  // after what its handlers refer to: it is destroyed first
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  std::vector<std::thread> threads_;
  std::uint16_t port_ = 0;
  bool stopped_ = false;
};

HttpServer::HttpServer(const Options& options, Handler handler)
    : impl_(std::make_unique<Impl>(options, std::move(handler))) {}
HttpServer::~HttpServer() = default;
std::uint16_t HttpServer::port() const {
  return impl_->port();
}
std::string HttpServer::url() const {
  return fmt::format("http://{}:{}", impl_->options().host, impl_->port());
}
void HttpServer::Stop() {
  impl_->Stop();
}

}  // namespace kvtier
