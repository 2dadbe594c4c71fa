#include <pixelclip/segments.hpp>

#include <cstdio>
#include <cstdlib>
#include <ctime>

/// Processor seconds of encode and find_words with the C++ library, one line a round: overhead
/// WEIGHTS IMAGE ROUNDS. tests/overhead.sh compares them with the Python package.
int main(int, char** argv) {
  using namespace pixelclip;
  const Model model(argv[1], {.device = "cpu"});
  const Picture image = load_picture(argv[2]);
  const std::vector<std::string> names = {"dog, puppy", "grass", "sky"};
  for (int round = std::atoi(argv[3]); round >= 0; --round) {
    const clock_t start = std::clock();
    find_words(model, model.encode(image), names);
    std::printf("%f\n", static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
}
