#include "harness/report/live_view.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <sys/ioctl.h>

#include "harness/core/units.hpp"

namespace kvtier {
namespace {

constexpr MonoNs kSecond = 1'000'000'000;
constexpr std::string_view kSeparator = " | ";

std::string Where(const LiveState& s) {
  std::string out = s.title;
  if (s.pair)
    out +=
        s.pairs ? fmt::format(" pair {}/{}", *s.pair, *s.pairs) : fmt::format(" pair {}", *s.pair);
  if (s.leg) out += fmt::format(" leg {}", *s.leg);
  if (s.mode) out += fmt::format(" {}", TierName(*s.mode));
  return out;
}

std::string Traffic(const LiveState& s) {
  std::string out;
  const auto add = [&out](const char* what, const std::optional<std::uint64_t>& blocks) {
    if (blocks) out += fmt::format("{}{} {}", out.empty() ? "blocks " : ", ", what, *blocks);
  };
  add("host", s.host_blocks);
  add("ssd read", s.disk_blocks);
  add("ssd written", s.disk_written_blocks);
  return out;
}

std::string Join(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& p : parts) {
    if (p.empty()) continue;
    if (!out.empty()) out += kSeparator;
    out += p;
  }
  return out;
}

std::string Requests(const LiveState& s) {
  if (s.planned == 0) return "";
  return fmt::format("{}/{}{}", s.done, s.planned,
                     s.errors > 0 ? fmt::format(" ({} FAILED)", s.errors) : "");
}

std::string Ttfc(const LiveState& s) {
  return s.ttfc_p50_ms ? fmt::format("TTFC p50 {}", *s.ttfc_p50_ms < 10
                                                        ? fmt::format("{:.1f} ms", *s.ttfc_p50_ms)
                                                        : fmt::format("{:.0f} ms", *s.ttfc_p50_ms))
                       : "";
}

}  // namespace

std::string RenderLive(const LiveState& s, int width) {
  std::string line = Join({Where(s), s.phase, Requests(s), Ttfc(s), Traffic(s), s.note,
                           s.eta_s ? "ETA " + FormatSeconds(*s.eta_s) : ""});
  if (width > 0 && line.size() > static_cast<std::size_t>(width))
    line.resize(static_cast<std::size_t>(width));
  return line;
}

std::string RenderPhaseEnd(const LiveState& s, double seconds) {
  return Join({Where(s), s.phase.empty() ? "" : s.phase + " done in " + FormatSeconds(seconds),
               s.planned > 0 ? fmt::format("{} ok, {} failed", s.ok, s.errors) : "", Ttfc(s),
               Traffic(s), s.note, s.eta_s ? "ETA " + FormatSeconds(*s.eta_s) : ""});
}

LiveView::LiveView(Options options) : options_(std::move(options)) {}

LiveView LiveView::FromEnvironment() {
  int fd = STDOUT_FILENO;
  bool terminal = false;
  const char* given = std::getenv("KVTIER_LIVE_FD");
  if (given != nullptr) {
    char* end = nullptr;
    const long number = std::strtol(given, &end, 10);
    if (end != given && *end == '\0' && number > 2 && number < 1024 &&
        ::fcntl(static_cast<int>(number), F_GETFD) != -1) {
      fd = static_cast<int>(number);
      terminal = ::isatty(fd) == 1;
    }
  }
  int width = 100;
  winsize size{};
  if (terminal && ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) width = size.ws_col - 1;
  return LiveView(
      {.terminal = terminal, .width = width, .now = NowMono, .write = [fd](std::string_view bytes) {
         while (!bytes.empty()) {
           const ssize_t n = ::write(fd, bytes.data(), bytes.size());
           if (n <= 0) return;  // a reader that went away must not stop the experiment
           bytes.remove_prefix(static_cast<std::size_t>(n));
         }
       }});
}

void LiveView::ClearLine() {
  if (line_open_) options_.write("\r\x1b[K");
  line_open_ = false;
}

void LiveView::Update(const LiveState& state) {
  const MonoNs now = options_.now();
  const std::string key = Where(state) + "/" + state.phase;
  const bool changed = key != phase_key_;
  if (changed) phase_key_ = key;
  if (!options_.terminal || (!changed && last_ && now - *last_ < kSecond)) return;
  last_ = now;
  ClearLine();
  options_.write(RenderLive(state, options_.width));
  line_open_ = true;
}

void LiveView::PhaseEnd(const LiveState& state, double seconds) {
  Line(RenderPhaseEnd(state, seconds));
  phase_key_.clear();
  last_.reset();
}

void LiveView::Line(const std::string& text) {
  ClearLine();
  options_.write(text + "\n");
}

}  // namespace kvtier
