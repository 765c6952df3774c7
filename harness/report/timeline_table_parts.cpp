#include "harness/report/timeline_table_parts.hpp"

#include <cerrno>
#include <cmath>

#include "harness/core/error.hpp"
#include "harness/report/deltas.hpp"

namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;

TableFile::TableFile(const fs::path& run_dir, std::string name, std::string header)
    : path_(run_dir / name),
      part_(path_.string() + ".part"),
      name_(std::move(name)),
      header_(std::move(header)) {}

TableFile::~TableFile() {
  if (!file_) return;
  file_.reset();
  std::error_code ignored;
  fs::remove(part_, ignored);
}

void TableFile::Write(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size())
    throw IoError::FromErrno("append to", part_.string(), errno);
}

void TableFile::Append(std::string_view row) {
  if (!file_) {
    std::error_code error;
    fs::create_directories(path_.parent_path(), error);
    file_.reset(std::fopen(part_.c_str(), "we"));
    if (!file_) throw IoError::FromErrno("write", part_.string(), errno);
    Write(header_);
  }
  Write(row);
  ++rows_;
}

void TableFile::AppendJson(const json& row) {
  Append(row.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
}

void TableFile::Close() {
  if (!file_) return;
  if (std::fflush(file_.get()) != 0) throw IoError::FromErrno("write", part_.string(), errno);
  std::error_code error;
  fs::rename(part_, path_, error);
  if (error) throw IoError::FromErrno("rename onto", path_.string(), error.value());
  file_.reset();
}

void Counter::See(std::optional<double> total) {
  if (!total) return;
  if (now_ && *total < *now_) reset_ = true;
  now_ = total;
}

std::optional<double> Counter::Take() {
  std::optional<double> grown;
  if (now_ && base_ && !reset_) grown = *now_ - *base_;
  base_ = now_;
  reset_ = false;
  return grown;
}

std::optional<double> Pace::Step(MonoNs at) {
  std::optional<double> step;
  if (last_ && at > *last_) step = static_cast<double>(at - *last_) / 1e9;
  last_ = at;
  return step;
}

void PacedTable::Take(const TimelineHead& head, const TimelineRow& row) {
  See(head, row);
  if (row.source == source() && !row.values.empty()) {
    last_reading_ = row.at;
    if (pace_.Due(row.at)) Emit(head, row.at, pace_.Step(row.at));
  } else if (row.source == "mark" && last_reading_ && !pace_.Emitted(*last_reading_)) {
    Emit(head, *last_reading_, pace_.Step(*last_reading_));
  }
}

void DiskMeter::See(const TimelineHead& head, const TimelineRow& row) {
  if (row.source != "disk") return;
  for (const char* name : {"read_ios", "read_merges", "read_bytes", "read_ms", "write_ios",
                           "write_merges", "write_bytes", "write_ms", "busy_ms", "queue_ms"})
    counters_[name].See(FindValue(row, head.kv_device + "." + name));
}

std::optional<double> DiskMeter::total(const char* counter) const {
  const auto found = counters_.find(counter);
  return found == counters_.end() ? std::nullopt : found->second.total();
}

DiskMeter::Rates DiskMeter::Direction(const char* ios, const char* merges, const char* bytes,
                                      const char* ms, std::optional<double> step_s) {
  const auto n = counters_[ios].Take(), merged = counters_[merges].Take(),
             size = counters_[bytes].Take(), spent = counters_[ms].Take();
  Rates r;
  r.ios_per_s = Per(n, step_s);
  r.merges_per_s = Per(merged, step_s);
  if (size) r.mib_per_s = Per(*size / 1048576, step_s);
  if (n && *n > 0 && spent) r.await_ms = *spent / *n;
  if (n && *n > 0 && size) r.kib_per_io = *size / 1024 / *n;
  return r;
}

DiskMeter::Step DiskMeter::Take(std::optional<double> step_s) {
  Step s;
  s.read = Direction("read_ios", "read_merges", "read_bytes", "read_ms", step_s);
  s.write = Direction("write_ios", "write_merges", "write_bytes", "write_ms", step_s);
  const auto queue = counters_["queue_ms"].Take(), busy = counters_["busy_ms"].Take();
  if (queue) s.queue_depth = Per(*queue / 1000, step_s);
  if (busy) s.util_pct = Per(*busy / 10, step_s);  // ms a second is tenths of a percent
  return s;
}

std::optional<double> FindValue(const TimelineRow& row, const std::string& key) {
  const auto found = row.values.find(key);
  return found == row.values.end() ? std::nullopt : std::optional(found->second);
}

json WholeOrNull(std::optional<double> value) {
  if (!value) return nullptr;
  if (std::trunc(*value) == *value && std::fabs(*value) <= 9007199254740992.0)  // 2^53
    return static_cast<std::int64_t>(*value);
  return *value;
}

json RoundedOrNull(std::optional<double> value) {
  return value ? json(RoundTo(*value, 3)) : json();
}

std::optional<double> Per(std::optional<double> amount, std::optional<double> step_s) {
  if (!amount || !step_s || *step_s <= 0) return std::nullopt;
  return *amount / *step_s;
}

std::string RowUtc(const TimelineHead& head, MonoNs at) {
  return UtcMillis(head.anchor.ToWall(at));
}

double RowEpoch(const TimelineHead& head, MonoNs at) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(
      head.anchor.ToWall(at).time_since_epoch());
  return static_cast<double>(us.count()) / 1e6;
}

TableStatus StatusOf(const TableFile& file) {
  return {.path = file.name(), .written = file.rows() > 0, .rows = file.rows(), .reason = {}};
}

}  // namespace kvtier
