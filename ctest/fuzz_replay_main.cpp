// Replays every file of a corpus folder through a fuzz target, so that g++ builds run the corpus as
// a test.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  int inputs = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      std::ifstream file(entry.path(), std::ios::binary);
      const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
      std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
      // Every prefix too: truncation is the commonest damage.
      for (std::size_t cut = 0; cut <= input.size(); cut += 1 + input.size() / 64) {
        LLVMFuzzerTestOneInput(input.data(), cut);
      }
      LLVMFuzzerTestOneInput(input.data(), input.size());
      ++inputs;
    }
  }
  std::printf("%d corpus inputs replayed\n", inputs);
  return inputs > 0 ? 0 : 1;
}
