#include <c10/util/Exception.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/signal.hpp"
#include "cli/commands.hpp"

int main(int argc, char** argv) {
  using namespace pixelclip;
  // Large tensors in huge pages: far fewer page faults. LibTorch looks at its first allocation.
  setenv("THP_MEM_ALLOC_ENABLE", "1", /*overwrite=*/0);
  signals::end_when_late();
  CLI::App app("PixelCLIP: open-vocabulary semantic segmentation from CLIP and unlabeled masks");
  app.name("pixelclip");
  app.require_subcommand(1);
  app.set_version_flag("--version", "pixelclip " PIXELCLIP_VERSION);
  app.get_formatter()->column_width(34);
  try {
    tools::add_train(app);
    tools::add_eval(app);
    tools::add_demo(app);
    tools::add_segment(app);
    tools::add_serve(app);
    tools::add_features(app);
    tools::add_masks(app);
    tools::add_plot(app);
    tools::add_prepare(app);
    tools::add_doctor(app);
    tools::add_config(app);
    tools::add_inspect(app);
    tools::add_convert(app);
    tools::add_tokenize(app);
    tools::add_completion(app);
    auto* bench = app.add_subcommand("bench", "Measure one part of the program");
    bench->require_subcommand(1);
    tools::add_bench_encoder(*bench);
    tools::add_bench_eval(*bench);
    tools::add_bench_kmeans(*bench);
    tools::add_bench_loader(*bench);
    tools::add_bench_text(*bench);
    tools::add_bench_train(*bench);
    const auto asked = [&](const CLI::App* command) { return command->get_name() == argv[1]; };
    if (argc > 1 && argv[1][0] != '-' && std::as_const(app).get_subcommands(asked).empty()) {
      fail("there is no command ", printable(argv[1]), "; pixelclip --help lists them");
    }
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::RuntimeError& e) {
    return e.get_exit_code();  // a command's own status
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  } catch (const Error& e) {
    log::error(e.what());
  } catch (const std::bad_alloc&) {
    log::error("out of memory: use a smaller batch or more SOLVER.ACCUMULATE_STEPS");
  } catch (const c10::Error& e) {
    log::error("internal error: ", e.what_without_backtrace());
  } catch (const std::exception& e) {
    log::error(e.what());
  }
  return signals::exit_status(1);
}
