#include "telemetry/recorder/recorder.hpp"

#include <time.h>

#include <algorithm>

namespace kvtier {
namespace {

constexpr MonoNs kOwnCadence = 1'000'000'000;

std::int64_t ThreadCpuNs() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

std::vector<std::chrono::milliseconds> CadencesOf(const std::vector<ScheduledSource>& sources) {
  std::vector<std::chrono::milliseconds> cadences;
  for (const auto& s : sources) cadences.push_back(s.cadence);
  return cadences;
}

std::int64_t ShortestOf(const std::vector<ScheduledSource>& sources) {
  std::int64_t shortest = kOwnCadence;
  for (const auto& s : sources) {
    if (s.cadence.count() > 0)
      shortest = std::min<std::int64_t>(shortest, std::chrono::nanoseconds(s.cadence).count());
  }
  return shortest;
}

TimelineHead HeadOf(const std::vector<ScheduledSource>& sources, const RecorderOptions& options) {
  TimelineHead head;
  head.anchor = ClockAnchor::Now();
  head.kv_device = options.kv_device;
  for (const auto& s : sources) head.sources.push_back({std::string(s.source->name()), s.cadence});
  return head;
}

}  // namespace

RecorderCore::RecorderCore(std::vector<ScheduledSource> sources, RecorderOptions options)
    : sources_(std::move(sources)),
      options_(std::move(options)),
      shortest_cadence_(ShortestOf(sources_)),
      schedule_(CadencesOf(sources_), options_.now()),
      file_(options_.file, HeadOf(sources_, options_)),
      own_row_due_(options_.now() + kOwnCadence),
      window_start_(options_.now()) {}

void RecorderCore::Keep(const TimelineRow& row) {
  window_.Add(row);
  file_.Append(row);
}

void RecorderCore::ReadSource(std::size_t place) {
  TimelineRow row;
  row.at = options_.now();
  row.source = sources_[place].source->name();
  sources_[place].source->Read(row);
  const bool slow = options_.now() - row.at >= shortest_cadence_;
  if (slow)
    schedule_.Stretch(static_cast<int>(place));
  else
    schedule_.Well(static_cast<int>(place));
  Keep(row);
}

void RecorderCore::CountTicks() {
  const Schedule::Tally tally = schedule_.Take();
  const double delay_ms = ToMs(tally.worst_delay);
  for (RecorderHealth* h : {&health_, &total_}) {
    h->ticks_due += tally.due;
    h->ticks_missed += tally.missed;
    h->worst_delay_ms = std::max(h->worst_delay_ms, delay_ms);
  }
  worst_since_row_ms_ = std::max(worst_since_row_ms_, delay_ms);
}

void RecorderCore::KeepOwnRow() {
  CountTicks();
  TimelineRow row;
  row.at = options_.now();
  row.source = "recorder";
  row.values = {{"cpu_s", static_cast<double>(ThreadCpuNs()) / 1e9},
                {"ticks_due", static_cast<double>(total_.ticks_due)},
                {"ticks_missed", static_cast<double>(total_.ticks_missed)},
                {"rows", static_cast<double>(file_.rows())},
                {"rows_dropped", static_cast<double>(file_.rows_dropped())},
                {"worst_delay_ms", worst_since_row_ms_}};
  worst_since_row_ms_ = 0;
  Keep(row);
  own_row_due_ = row.at + kOwnCadence;
}

void RecorderCore::Tick() {
  if (!window_cpu_ns_) window_cpu_ns_ = ThreadCpuNs();  // here, because this is the thread
  for (int place = 0; (place = schedule_.Begin(options_.now())) >= 0;)
    ReadSource(static_cast<std::size_t>(place));
  if (options_.now() >= own_row_due_) KeepOwnRow();
}

MonoNs RecorderCore::ReadAll(const std::string& label, WindowStats* next) {
  for (auto& s : sources_) s.source->Refresh();
  for (auto& s : sources_) {
    TimelineRow row;
    row.at = options_.now();
    row.source = s.source->name();
    s.source->Read(row);
    Keep(row);
    if (next != nullptr) next->Add(row);
  }
  TimelineRow mark;
  mark.at = options_.now();
  mark.source = "mark";
  mark.mark = label;
  file_.Append(mark);
  KeepOwnRow();
  file_.Flush();
  return mark.at;
}

void RecorderCore::Note(const std::string& label) {
  ReadAll(label, nullptr);
}

RecordedWindow RecorderCore::Mark(const std::string& label) {
  RecordedWindow done;
  done.start = window_start_;
  // The readings that close this window open the next, so that nothing falls between two windows.
  WindowStats next = window_.Next();
  done.end = ReadAll(label, &next);
  done.stats = std::move(window_);
  done.health = health_;
  done.health.blind = done.stats.Blind();
  done.health.rows = file_.rows() - window_rows_;
  done.health.rows_dropped = file_.rows_dropped() - window_dropped_;
  if (!file_.error().empty()) done.health.blind.push_back("timeline: " + file_.error());
  const std::int64_t cpu = ThreadCpuNs();
  if (done.end > done.start) {
    done.health.cpu_ratio = static_cast<double>(cpu - window_cpu_ns_.value_or(cpu)) /
                            static_cast<double>(done.end - done.start);
  }
  window_ = std::move(next);
  window_start_ = done.end;
  window_cpu_ns_ = cpu;
  window_rows_ = file_.rows();
  window_dropped_ = file_.rows_dropped();
  health_ = {};
  return done;
}

Recorder::Recorder(std::vector<ScheduledSource> sources, RecorderOptions options)
    : core_(std::move(sources), std::move(options)),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

Recorder::~Recorder() {
  thread_.request_stop();
  thread_.join();
  core_.Flush();
}

RecordedWindow Recorder::Mark(const std::string& label) {
  return Ask(label, true);
}

void Recorder::Note(const std::string& label) {
  Ask(label, false);
}

RecordedWindow Recorder::Ask(const std::string& label, bool ends_window) {
  std::future<RecordedWindow> done;
  {
    const std::lock_guard lock(mutex_);
    request_.emplace();
    request_->label = label;
    request_->ends_window = ends_window;
    done = request_->done.get_future();
  }
  wake_.notify_one();
  return done.get();
}

void Recorder::Run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const auto due =
        std::chrono::steady_clock::time_point(std::chrono::nanoseconds(core_.NextDue()));
    wake_.wait_until(lock, stop, due, [this] { return request_.has_value(); });
    if (stop.stop_requested()) return;
    std::optional<Request> request = std::move(request_);
    request_.reset();
    lock.unlock();
    core_.Tick();
    if (request && request->ends_window) {
      request->done.set_value(core_.Mark(request->label));
    } else if (request) {
      core_.Note(request->label);
      request->done.set_value({});
    }
    lock.lock();
  }
}

}  // namespace kvtier
