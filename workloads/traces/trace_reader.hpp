#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "workloads/trace.hpp"
#include "workloads/traces/trace_file.hpp"

/// Inside of the loaders: one reader a format, fed line by line.
namespace kvtier {

/// Where an error is, for its sentence.
struct TracePlace {
  const std::string& name;
  std::size_t line;
  /// DataError "<name>:<line>: <what>".
  [[noreturn]] void Fail(const std::string& what) const;
};

class TraceReader {
 public:
  virtual ~TraceReader() = default;
  /// A line that is not empty, without its end.
  virtual void Line(std::string_view line, const TracePlace& place) = 0;
  std::vector<TraceRequest>& requests() { return requests_; }
  /// One sentence each, about the whole file.
  std::vector<std::string>& notes() { return notes_; }
  /// Before the requests are taken.
  virtual void End() {}

 protected:
  /// By time, where a source may give them in another order.
  void SortByTime(bool with_note);
  std::vector<TraceRequest> requests_;
  std::vector<std::string> notes_;
};

std::unique_ptr<TraceReader> MakeMooncakeReader(const TraceFileOptions& options);
std::unique_ptr<TraceReader> MakeBailianReader();
std::unique_ptr<TraceReader> MakeMessagesReader(const TraceFileOptions& options);
std::unique_ptr<TraceReader> MakeManifestReader(const TraceFileOptions& options);
std::unique_ptr<TraceReader> MakeAzureReader(const TraceFileOptions& options);
std::unique_ptr<TraceReader> MakeBurstGptReader(const TraceFileOptions& options);

// Fields of a JSON line. Each Fails with the key and what is allowed.
inline constexpr std::int64_t kLongestTraceInput = 10'000'000;  // tokens; more is damage, not data
nlohmann::json TraceObject(std::string_view line, const TracePlace& place);
/// The known keys of a format as a list: "unknown key 'x': known are ...".
void CheckTraceKeys(const nlohmann::json& row, const std::vector<std::string_view>& known,
                    const TracePlace& place);
std::int64_t TraceLength(const nlohmann::json& row, const std::string& key, std::int64_t least,
                         const TracePlace& place);
/// In ms of the key's `unit` ("milliseconds", "seconds"); from 0 to three years.
double TraceTimeMs(const nlohmann::json& row, const std::string& key, const std::string& unit,
                   const TracePlace& place);
std::vector<std::uint64_t> TraceIds(const nlohmann::json& row, const std::string& key,
                                    const TracePlace& place);
/// A text, or a whole number as text.
std::string TraceName(const nlohmann::json& row, const std::string& key, const TracePlace& place);

}  // namespace kvtier
