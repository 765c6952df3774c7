#include <cstddef>
#include <cstdint>
#include <string_view>

#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/report/archive.hpp"
#include "harness/report/hygiene.hpp"

namespace {

// An archive comes from another machine, a journal from a killed process: whatever they hold,
// reading them ends in a value or in a typed error.
template <class F>
void Read(F&& read) {
  try {
    read();
  } catch (const kvtier::DataError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Read([&] { kvtier::VerifyArchiveBytes(bytes); });
  const auto j = nlohmann::json::parse(bytes, nullptr, false);
  if (j.is_discarded()) return 0;
  Read([&] { j.get<kvtier::ArchiveManifest>(); });
  Read([&] { j.get<kvtier::HygieneJournal>(); });
  return 0;
}
