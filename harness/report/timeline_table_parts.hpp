#pragma once
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "harness/report/timeline.hpp"
#include "harness/report/timeline_tables.hpp"

/// What the tables of timeline_tables.cpp are made of; for them alone.
namespace kvtier {

/// A file that grows row by row under another name and appears whole, or not at all.
class TableFile {
 public:
  /// `name` is relative to the run folder; `header` is written before the first row.
  TableFile(const std::filesystem::path& run_dir, std::string name, std::string header = {});
  /// What was not closed is removed: an exception leaves no half table.
  ~TableFile();
  TableFile(const TableFile&) = delete;
  TableFile& operator=(const TableFile&) = delete;
  /// Text with its line end. Throws IoError.
  void Append(std::string_view row);
  void AppendJson(const nlohmann::json& row);
  /// Moves it into place when it has rows.
  void Close();
  const std::string& name() const { return name_; }
  std::uint64_t rows() const { return rows_; }

 private:
  struct CloseFile {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  void Write(std::string_view text);
  std::filesystem::path path_, part_;
  std::string name_, header_;
  std::unique_ptr<std::FILE, CloseFile> file_;
  std::uint64_t rows_ = 0;
};

/// A cumulative counter between two rows of a table.
class Counter {
 public:
  void See(std::optional<double> total);
  /// Growth since the last Take; empty before the second reading and when the counter fell in
  /// between, which is a reset and not 0.
  std::optional<double> Take();
  std::optional<double> total() const { return now_; }
  bool taken_before() const { return base_.has_value(); }

 private:
  std::optional<double> now_, base_;
  bool reset_ = false;
};

/// Says when the next row of a table is due.
class Pace {
 public:
  explicit Pace(double interval_s) : interval_(static_cast<MonoNs>(interval_s * 1e9)) {}
  /// Readings come with some jitter: one that is early by a twentieth counts.
  bool Due(MonoNs at) const { return !last_ || at - *last_ >= interval_ - interval_ / 20; }
  /// Seconds since the row before; empty for the first.
  std::optional<double> Step(MonoNs at);
  bool Emitted(MonoNs at) const { return last_ && *last_ >= at; }

 private:
  MonoNs interval_;
  std::optional<MonoNs> last_;
};

/// One table, or a few that come from the same readings.
class TimelineTable {
 public:
  virtual ~TimelineTable() = default;
  virtual void Take(const TimelineHead& head, const TimelineRow& row) = 0;
  /// Closes its files and says what became of them, without reasons.
  virtual std::vector<TableStatus> Finish() = 0;
  /// The source without which it has no row.
  virtual const char* source() const = 0;
};

/// A table that writes one step for the readings of its source at a pace, and one at each mark, so
/// that a phase begins and ends with a row.
class PacedTable : public TimelineTable {
 public:
  explicit PacedTable(double interval_s) : pace_(interval_s) {}
  void Take(const TimelineHead& head, const TimelineRow& row) final;

 protected:
  /// Every row of every source.
  virtual void See(const TimelineHead& head, const TimelineRow& row) = 0;
  /// `step_s` is empty for the first.
  virtual void Emit(const TimelineHead& head, MonoNs at, std::optional<double> step_s) = 0;

 private:
  Pace pace_;
  std::optional<MonoNs> last_reading_;
};

/// The KV device between two rows, in the terms of iostat -x.
class DiskMeter {
 public:
  struct Rates {
    std::optional<double> ios_per_s, mib_per_s, merges_per_s;
    std::optional<double> await_ms, kib_per_io;  // empty when no I/O ended: nothing to average
  };
  struct Step {
    Rates read, write;
    std::optional<double> queue_depth, util_pct;
  };
  void See(const TimelineHead& head, const TimelineRow& row);
  Step Take(std::optional<double> step_s);
  std::optional<double> total(const char* counter) const;

 private:
  Rates Direction(const char* ios, const char* merges, const char* bytes, const char* ms,
                  std::optional<double> step_s);
  std::map<std::string, Counter> counters_;
};

std::optional<double> FindValue(const TimelineRow& row, const std::string& key);
/// Null when empty; whole numbers as integers.
nlohmann::json WholeOrNull(std::optional<double> value);
/// Null when empty; rounded to 3 places.
nlohmann::json RoundedOrNull(std::optional<double> value);
/// `amount` over the step; empty when either is.
std::optional<double> Per(std::optional<double> amount, std::optional<double> step_s);
std::string RowUtc(const TimelineHead& head, MonoNs at);
/// Seconds since the epoch, to the microsecond: `ts` of the legacy files.
double RowEpoch(const TimelineHead& head, MonoNs at);
TableStatus StatusOf(const TableFile& file);

std::unique_ptr<TimelineTable> MakeBlockTable(const std::filesystem::path&,
                                              const TimelineTableOptions&);
std::unique_ptr<TimelineTable> MakeProcessTable(const std::filesystem::path&,
                                                const TimelineTableOptions&);
/// `source` is memory or vmstat.
std::unique_ptr<TimelineTable> MakeSnapshotTable(const std::filesystem::path&,
                                                 const std::string& source);
std::unique_ptr<TimelineTable> MakeIostatTable(const std::filesystem::path&,
                                               const TimelineTableOptions&);
std::unique_ptr<TimelineTable> MakePidstatTable(const std::filesystem::path&,
                                                const TimelineTableOptions&);
std::unique_ptr<TimelineTable> MakeMpstatTable(const std::filesystem::path&,
                                               const TimelineTableOptions&);
std::unique_ptr<TimelineTable> MakeSysmonTable(const std::filesystem::path&,
                                               const TimelineTableOptions&);
std::unique_ptr<TimelineTable> MakeNvmeTable(const std::filesystem::path&,
                                             const TimelineTableOptions&);
std::unique_ptr<TimelineTable> MakeGpuTable(const std::filesystem::path&,
                                            const TimelineTableOptions&);
std::unique_ptr<TimelineTable> MakeDynkvTable(const std::filesystem::path&,
                                              const TimelineTableOptions&);

}  // namespace kvtier
