// How much the measuring client costs and how late it stamps, against a raw epoll reader in the
// same run. The server is a process of its own; both sides read the same bytes from it,
// alternating. One JSON row a line: docs/benchmarks.md.
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nlohmann/json.hpp>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "harness/core/clock.hpp"
#include "harness/net/completion_client.hpp"
#include "harness/net/openai.hpp"

namespace kvtier {
namespace {

constexpr int kRounds = 7;
constexpr std::string_view kStampMark = "\"text\":\" ";
constexpr std::size_t kStampDigits = 18;

void Check(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(std::string(what) + ": " + strerror(errno));
}

std::string Chunk(std::string_view body) {
  std::array<char, 32> size{};
  std::snprintf(size.data(), size.size(), "%zx\r\n", body.size());
  return size.data() + std::string(body) + "\r\n";
}

/// One event as a Dynamo frontend sends it; the text is the server's send stamp.
std::string EventChunk() {
  return Chunk(
      "data: {\"id\":\"cmpl-0f8fad5b-d9cb-469f\",\"choices\":[{\"text\":\" "
      "000000000000000000\",\"index\":0}],"
      "\"created\":1730000000,\"model\":\"small\",\"object\":\"text_completion\",\"usage\":null}"
      "\n\n");
}

// ---- the server process

struct ServerPlan {
  int streams = 0;
  MonoNs gap_ns = 0;  // between two events, whatever their stream
  int events_a_stream = 0;
};

void SleepUntil(MonoNs at) {
  const timespec ts{at / 1'000'000'000, at % 1'000'000'000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, nullptr) == EINTR) {
  }
}

void SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return;  // the client has gone; its own count shows it
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

/// Round for ever: wait until all streams have asked, then feed them in turn at the paced rate.
[[noreturn]] void Serve(int listener, const ServerPlan& plan) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_TIMERSLACK, 1);
  const std::string head =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string event = EventChunk();
  const std::size_t digits = event.find(kStampMark) + kStampMark.size();
  const std::string tail =
      Chunk(
          "data: {\"choices\":[{\"text\":\"\",\"finish_reason\":\"length\"}]}\n\ndata: "
          "[DONE]\n\n") +
      "0\r\n\r\n";
  const int epoll = epoll_create1(0);
  epoll_event interest{};
  interest.events = EPOLLIN;
  interest.data.fd = listener;
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &interest);
  std::vector<int> waiting;
  std::array<char, 4096> buffer;
  for (;;) {
    std::array<epoll_event, 256> ready;
    const int n = epoll_wait(epoll, ready.data(), static_cast<int>(ready.size()), -1);
    for (int i = 0; i < n; ++i) {
      const int fd = ready[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener) {
        const int client = ::accept(listener, nullptr, nullptr);
        if (client < 0) continue;
        const int one = 1;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        interest.data.fd = client;
        epoll_ctl(epoll, EPOLL_CTL_ADD, client, &interest);
      } else if (::recv(fd, buffer.data(), buffer.size(), 0) >
                 0) {  // a request is small and arrives in one piece
        SendAll(fd, head);
        waiting.push_back(fd);
      } else {
        ::close(fd);
      }
    }
    if (waiting.size() < static_cast<std::size_t>(plan.streams)) continue;
    const MonoNs start = NowMono() + 20'000'000;
    for (int k = 0; k < plan.streams * plan.events_a_stream; ++k) {
      const MonoNs at = start + k * plan.gap_ns;
      if (NowMono() < at) SleepUntil(at);
      std::array<char, 32> stamp{};
      std::snprintf(stamp.data(), stamp.size(), "%018lld", static_cast<long long>(NowMono()));
      event.replace(digits, kStampDigits, stamp.data(), kStampDigits);
      SendAll(waiting[static_cast<std::size_t>(k % plan.streams)], event);
    }
    for (const int fd : waiting) SendAll(fd, tail);
    waiting.clear();
  }
}

class ServerProcess {
 public:
  explicit ServerProcess(const ServerPlan& plan) {
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    Check(listener >= 0, "socket");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr generic{};
    memcpy(&generic, &address, sizeof generic);
    socklen_t length = sizeof generic;
    Check(::bind(listener, &generic, length) == 0 && ::listen(listener, SOMAXCONN) == 0 &&
              ::getsockname(listener, &generic, &length) == 0,
          "listen");
    memcpy(&address_, &generic, sizeof address_);
    pid_ = ::fork();
    Check(pid_ >= 0, "fork");
    if (pid_ == 0) Serve(listener, plan);
    ::close(listener);
  }
  ~ServerProcess() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  sockaddr_in address() const { return address_; }
  Url url() const {
    Url url;
    url.port = ntohs(address_.sin_port);
    url.target = "/v1/completions";
    return url;
  }

 private:
  sockaddr_in address_{};
  pid_t pid_ = -1;
};

// ---- both readers

double ProcessCpuSeconds() {
  timespec ts{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
  return static_cast<double>(ts.tv_sec) + static_cast<double>(ts.tv_nsec) / 1e9;
}

struct Reading {
  double cpu_us_an_event = 0;
  std::vector<double> late_ms;
  int failed = 0;
  int max_in_flight = 0;
};

MonoNs StampAt(const char* digits) {
  MonoNs stamp = 0;
  std::from_chars(digits, digits + kStampDigits, stamp);
  return stamp;
}

/// The least that a client can do: epoll, read, stamp, find the text.
class RawReader {
 public:
  RawReader(const ServerProcess& server, int streams) : epoll_(epoll_create1(0)) {
    const sockaddr_in address = server.address();
    sockaddr generic{};
    memcpy(&generic, &address, sizeof generic);
    for (int i = 0; i < streams; ++i) {
      const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
      Check(fd >= 0 && ::connect(fd, &generic, sizeof generic) == 0, "connect");
      epoll_event interest{};
      interest.events = EPOLLIN;
      interest.data.fd = fd;
      epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &interest);
      fds_.push_back(fd);
    }
  }
  ~RawReader() {
    for (const int fd : fds_) ::close(fd);
    ::close(epoll_);
  }
  RawReader(const RawReader&) = delete;
  RawReader& operator=(const RawReader&) = delete;

  Reading Round(const std::string& request, int events) {
    Reading reading;
    reading.late_ms.reserve(static_cast<std::size_t>(events));
    const double cpu = ProcessCpuSeconds();
    for (const int fd : fds_) SendAll(fd, request);
    std::vector<char> buffer(64 << 10);
    for (std::size_t ended = 0; ended < fds_.size();) {
      std::array<epoll_event, 128> ready;
      const int n = epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), -1);
      for (int i = 0; i < n; ++i) {
        const ssize_t got =
            ::recv(ready[static_cast<std::size_t>(i)].data.fd, buffer.data(), buffer.size(), 0);
        const MonoNs at = NowMono();
        Check(got > 0, "recv");
        const std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
        const void* mark = memmem(bytes.data(), bytes.size(), kStampMark.data(), kStampMark.size());
        if (mark != nullptr) {
          reading.late_ms.push_back(
              NsToMs(at - StampAt(static_cast<const char*>(mark) + kStampMark.size())));
        }
        if (bytes.size() >= 5 && bytes.substr(bytes.size() - 5) == "0\r\n\r\n") ++ended;
      }
    }
    reading.cpu_us_an_event = (ProcessCpuSeconds() - cpu) * 1e6 / events;
    return reading;
  }

 private:
  int epoll_;
  std::vector<int> fds_;
};

/// Our client with everything it does for a request: reading thread, hand-over, full analysis of
/// every event.
Reading ClientRound(CompletionClient& client, const std::vector<WireRequest>& requests,
                    int events) {
  Reading reading;
  std::vector<CompletionResult> results;
  results.reserve(requests.size());
  CompletionParser parser;
  const double cpu = ProcessCpuSeconds();
  const ClientSelf self = client.Run(requests, [&](FinishedExchange&& exchange) {
    results.push_back(AnalyseExchange(exchange.raw, parser));
  });
  reading.cpu_us_an_event = (ProcessCpuSeconds() - cpu) * 1e6 / events;
  reading.max_in_flight = self.max_in_flight;
  for (const auto& result : results) {
    if (result.outcome != Outcome::kOk) {
      if (reading.failed++ == 0)
        std::fprintf(stderr, "a stream failed: %s\n", result.error.c_str());
      continue;
    }
    // The text is one blank and one stamp an event.
    std::size_t at = 0;
    for (const auto& chunk : result.chunks) {
      for (int i = 0; i < chunk.text_events; ++i, at += 1 + kStampDigits) {
        reading.late_ms.push_back(NsToMs(chunk.at - StampAt(result.text.data() + at + 1)));
      }
    }
  }
  return reading;
}

double QuantileOf(std::vector<double> values, double p) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(p * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

struct Row {
  std::string name, what, unit, direction;
  double ours = 0, reference = 0, ratio = 0, limit = 0;
  bool pass = false;
  int rounds = kRounds;
};

void Print(const Row& row) {
  const nlohmann::ordered_json json{{"row", row.name},
                                    {"what", row.what},
                                    {"ours", row.ours},
                                    {"reference", row.reference},
                                    {"ratio", row.ratio},
                                    {"limit", row.limit},
                                    {"direction", row.direction},
                                    {"pass", row.pass},
                                    {"unit", row.unit},
                                    {"rounds", row.rounds}};
  std::printf("%s\n", json.dump().c_str());
  std::fflush(stdout);
}

void PrintUnavailable(const char* name, const std::string& reason) {
  std::printf("%s\n",
              nlohmann::ordered_json{{"row", name}, {"unavailable", reason}}.dump().c_str());
  std::fflush(stdout);
}

CompletionClient::Options OptionsFor(const ServerProcess& server, int streams) {
  CompletionClient::Options options;
  options.url = server.url();
  options.concurrency = streams;
  options.total_timeout = std::chrono::seconds(120);
  return options;
}

/// Both rows that compare with the raw reader. Alternating, ours first in even rounds.
void CompareWithRaw(const ServerPlan& plan,
                    const std::function<void(const std::vector<Reading>& ours,
                                             const std::vector<Reading>& raw)>& report) {
  const ServerProcess ours_server(plan), raw_server(plan);
  const auto options = OptionsFor(ours_server, plan.streams);
  CompletionClient client(options);
  RawReader raw_reader(raw_server, plan.streams);
  const std::vector<WireRequest> requests(static_cast<std::size_t>(plan.streams),
                                          MakeWireRequest(options.url, "{}", true));
  const int events = plan.streams * plan.events_a_stream;
  std::vector<Reading> ours, raw;
  for (int round = -1; round < kRounds; ++round) {  // the first one warms both up
    Reading a, b;
    if (round % 2 == 0) {
      a = ClientRound(client, requests, events);
      b = raw_reader.Round(requests[0].bytes, events);
    } else {
      b = raw_reader.Round(requests[0].bytes, events);
      a = ClientRound(client, requests, events);
    }
    if (round < 0) continue;
    ours.push_back(std::move(a));
    raw.push_back(std::move(b));
  }
  report(ours, raw);
}

std::vector<double> Each(const std::vector<Reading>& readings, double (*value)(const Reading&)) {
  std::vector<double> values;
  for (const auto& reading : readings) values.push_back(value(reading));
  return values;
}

int Failed(const std::vector<Reading>& readings) {
  int failed = 0;
  for (const auto& reading : readings) failed += reading.failed;
  return failed;
}

void BenchCpu() {
  CompareWithRaw({.streams = 900, .gap_ns = 20'000, .events_a_stream = 60}, [](const auto& ours,
                                                                               const auto& raw) {
    const auto cpu = [](const Reading& r) { return r.cpu_us_an_event; };
    // Rounds are pairs: what else the machine did then, it did to both.
    std::vector<double> ratios;
    for (std::size_t i = 0; i < ours.size(); ++i)
      ratios.push_back(ours[i].cpu_us_an_event / raw[i].cpu_us_an_event);
    Row row{
        .name = "client_sse_cpu",
        .what =
            "client CPU a lone SSE event of " + std::to_string(EventChunk().size()) +
            " bytes, 900 streams, 50,000 events/s, analysis included, against a raw epoll reader",
        .unit = "us/event",
        .direction = "at_most"};
    row.ours = QuantileOf(Each(ours, cpu), 0.5);
    row.reference = QuantileOf(Each(raw, cpu), 0.5);
    row.ratio = QuantileOf(ratios, 0.5);
    row.limit = 1.3;
    row.pass = row.ratio <= row.limit && Failed(ours) == 0;
    Print(row);
  });
}

void BenchLateness() {
  CompareWithRaw({.streams = 256, .gap_ns = 10'000'000 / 256, .events_a_stream = 100},
                 [](const auto& ours, const auto& raw) {
                   const auto late = [](const Reading& r) { return QuantileOf(r.late_ms, 0.99); };
                   Row row{.name = "client_stamp_lateness",
                           .what =
                               "p99 of our stamp minus the server's send stamp, 256 streams with "
                               "10 ms spacing (reference: raw "
                               "epoll reader; the limit is on ours)",
                           .unit = "ms",
                           .direction = "at_most"};
                   row.ours = QuantileOf(Each(ours, late), 0.5);
                   row.reference = QuantileOf(Each(raw, late), 0.5);
                   row.ratio = row.reference > 0 ? row.ours / row.reference : 0;
                   row.limit = 1.0;
                   row.pass = row.ours <= row.limit && Failed(ours) == 0;
                   Print(row);
                 });
}

void BenchOpenStreams() {
  constexpr int kStreams = 9000;
  constexpr rlim_t kDescriptors = 9100;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < kDescriptors) {
    limit.rlim_cur = std::min(limit.rlim_max, std::max<rlim_t>(kDescriptors, limit.rlim_cur));
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur < kDescriptors) {
    return PrintUnavailable("client_open_streams",
                            "only " + std::to_string(limit.rlim_cur) +
                                " open files are allowed, 9100 are needed (ulimit -n)");
  }
  // The server begins only when every stream is open, so all of them are open at once.
  const ServerPlan plan{.streams = kStreams, .gap_ns = 20'000, .events_a_stream = 3};
  const ServerProcess server(plan);
  const auto options = OptionsFor(server, kStreams);
  CompletionClient client(options);
  const std::vector<WireRequest> requests(kStreams, MakeWireRequest(options.url, "{}", true));
  const Reading reading = ClientRound(client, requests, kStreams * plan.events_a_stream);
  Row row{.name = "client_open_streams",
          .what = "streams open at once in one client process and answered without error",
          .unit = "streams",
          .direction = "at_least"};
  row.ours = reading.max_in_flight - reading.failed;
  row.reference = kStreams;
  row.ratio = row.ours / row.reference;
  row.limit = 1.0;
  row.pass = row.ratio >= row.limit;
  row.rounds = 1;
  Print(row);
}

}  // namespace
}  // namespace kvtier

int main() {
  try {
    kvtier::BenchCpu();
    kvtier::BenchLateness();
    kvtier::BenchOpenStreams();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "client_bench: %s\n", e.what());
    return 1;
  }
  return 0;
}
