#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/report/request_rows.hpp"

// Whatever a row holds: the fast way reads what the typed code reads, or leaves it to that.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  kvtier::RequestRowParser parser;
  const auto fast = parser.ParseFast(text);
  if (!fast) return 0;
  try {
    const auto slow = kvtier::RecordFromJson(nlohmann::json::parse(text));
    const auto handler = nlohmann::json::error_handler_t::replace;
    if (kvtier::ToJson(*fast).dump(-1, ' ', false, handler) !=
        kvtier::ToJson(slow).dump(-1, ' ', false, handler)) {
      std::abort();
    }
  } catch (const nlohmann::json::exception&) {
    std::abort();
  } catch (const kvtier::DataError&) {
    std::abort();
  }
  return 0;
}
