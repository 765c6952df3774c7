#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/evidence_json.hpp"
#include "harness/report/io_attribution_json.hpp"
#include "harness/report/phase70_files.hpp"

namespace {

using nlohmann::json;

// A bundle may come from another machine: whatever its files hold, reading them ends in a value or
// a typed error.
void Read(const std::function<void()>& read) {
  try {
    read();
  } catch (const json::exception&) {
  } catch (const kvtier::DataError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const json j = json::parse(text, nullptr, false);
  if (j.is_discarded()) return 0;
  Read([&] { j.get<kvtier::PhaseEvidence>(); });
  Read([&] { j.get<kvtier::WorkerReadback>(); });
  Read([&] { j.get<kvtier::RunConfig>(); });
  Read([&] { j.get<kvtier::RunState>(); });
  Read([&] { j.get<kvtier::Phase70Manifest>(); });
  Read([&] { j.get<kvtier::Phase70Current>(); });
  Read([&] { j.get<kvtier::KvFile>(); });
  Read([&] { kvtier::IoAttributionFromJson(j); });
  Read([&] { j.get<kvtier::IoAttributionVerdict>(); });
  Read([&] { kvtier::RecordFromJson(j); });
  Read([&] {
    kvtier::LegEvidence leg;
    kvtier::ReadLegHead(j, leg);
  });
  return 0;
}
