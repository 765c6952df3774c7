#include "telemetry/sources/process_source.hpp"

#include <set>

#include "telemetry/os/process_sampler.hpp"
#include "telemetry/sources/function_source.hpp"

namespace kvtier {
namespace {

constexpr MonoNs kLookAgain = 5'000'000'000;

void PutUsage(TimelineRow& row, const std::string& key, const ProcessUsage& usage) {
  row.values[key + ".cpu_user_s"] = usage.cpu_user_s;
  row.values[key + ".cpu_system_s"] = usage.cpu_system_s;
  row.values[key + ".rss_bytes"] = static_cast<double>(usage.rss.value);
  row.values[key + ".minor_faults"] = static_cast<double>(usage.minor_faults);
  row.values[key + ".major_faults"] = static_cast<double>(usage.major_faults);
  row.values[key + ".threads"] = static_cast<double>(usage.threads);
}

void PutIo(TimelineRow& row, const std::string& key, const ProcessIo& io) {
  row.values[key + ".read_bytes"] = static_cast<double>(io.read_bytes.value);
  row.values[key + ".write_bytes"] = static_cast<double>(io.write_bytes.value);
  row.values[key + ".rchar"] = static_cast<double>(io.rchar.value);
  row.values[key + ".wchar"] = static_cast<double>(io.wchar.value);
  row.values[key + ".syscr"] = static_cast<double>(io.syscr);
  row.values[key + ".syscw"] = static_cast<double>(io.syscw);
}

class ProcessSource final : public Source {
 public:
  ProcessSource(const RunProcesses& processes, const OsRoots& roots) {
    if (!processes.workers.empty())
      groups_.push_back({"worker", ProcessSampler(processes.workers, roots)});
    if (!processes.stack.empty())
      groups_.push_back({"stack", ProcessSampler(processes.stack, roots)});
    if (processes.self > 0) groups_.push_back({"self", ProcessSampler({processes.self}, roots)});
    self_ = processes.self;
    workers_known_ = !processes.workers.empty();
  }
  std::string_view name() const override { return "process"; }
  void Refresh() override {
    for (Group& group : groups_) group.sampler.Refresh();
  }
  void Read(TimelineRow& row) override {
    if (row.at >= look_again_) {
      Refresh();
      look_again_ = row.at + kLookAgain;
    }
    for (Group& group : groups_) {
      for (const ProcessSample& sample : group.sampler.Sample()) {
        // Of this process itself only: a stack is its child too, and what else it started (a
        // co-process that makes noise on purpose) is not the measuring.
        if (group.role != "self" || sample.pid == self_) Put(row, group.role, sample);
      }
    }
    if (!workers_known_)
      row.unavailable["worker"] = "the stack does not say which process its worker is";
  }

 private:
  struct Group {
    std::string role;
    ProcessSampler sampler;
  };

  void Put(TimelineRow& row, const std::string& role, const ProcessSample& sample) {
    const std::string key = std::to_string(sample.pid);
    if (!sample.usage) {
      row.unavailable[key] = sample.usage.reason();
      return;
    }
    PutUsage(row, key, *sample.usage);
    if (sample.io) {
      PutIo(row, key, *sample.io);
    } else {
      // The keys that the noise guards ask for carry the reason.
      row.unavailable[key + ".read_bytes"] = row.unavailable[key + ".write_bytes"] =
          sample.io.reason();
    }
    if (announced_.insert(sample.pid).second) {
      row.labels[key] = sample.command;
      row.labels[key + ".role"] = role;
    }
  }

  std::vector<Group> groups_;
  pid_t self_ = 0;
  bool workers_known_ = false;
  MonoNs look_again_ = 0;
  std::set<pid_t> announced_;  // their labels are in the timeline
};

}  // namespace

std::unique_ptr<Source> MakeProcessSource(const RunProcesses& processes, const OsRoots& roots) {
  return std::make_unique<ProcessSource>(processes, roots);
}

}  // namespace kvtier
