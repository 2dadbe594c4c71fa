// Says how much of a picture each word covers: find_words WEIGHTS PICTURE WORD...
#include <exception>
#include <iostream>
#include <pixelclip/model.hpp>
#include <pixelclip/picture.hpp>
#include <pixelclip/segments.hpp>

int main(int argc, char** argv) {
  if (argc < 4) {
    std::cerr << "usage: find_words WEIGHTS PICTURE WORD...\n";
    return 2;
  }
  try {
    const pixelclip::Model model(argv[1]);
    const pixelclip::Picture picture = pixelclip::load_picture(argv[2]);
    const pixelclip::EncodedPicture encoded = model.encode(picture);  // once for all words

    const std::vector<std::string> words(argv + 3, argv + argc);
    const pixelclip::Segments segments = pixelclip::find_words(model, encoded, words);
    for (const auto& word : segments.words) {
      const double percent = 100.0 * word.area / segments.labels.size();
      std::cout << word.name << ": " << percent << " % of the picture, cosine " << word.score
                << "\n";
    }
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
