#include <c10/util/Exception.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/signal.hpp"
#include "cli/bench/encoder.hpp"
#include "cli/bench/eval.hpp"
#include "cli/bench/kmeans.hpp"
#include "cli/bench/loader.hpp"
#include "cli/bench/text.hpp"
#include "cli/bench/train.hpp"
#include "cli/commands.hpp"
#include "engine/runtime.hpp"
#include "pixelclip/version.hpp"

int main(int argc, char** argv) {
  using namespace pixelclip;
  runtime::start_process();
  CLI::App app("PixelCLIP: open-vocabulary semantic segmentation from CLIP and unlabeled masks");
  app.name("pixelclip");
  app.require_subcommand(1);
  app.set_version_flag("--version", "pixelclip " PIXELCLIP_VERSION);
  app.get_formatter()->column_width(34);
  try {
    cli::add_train(app);
    cli::add_eval(app);
    cli::add_compare(app);
    cli::add_tune(app);
    cli::add_demo(app);
    cli::add_segment(app);
    cli::add_serve(app);
    cli::add_features(app);
    cli::add_masks(app);
    cli::add_plot(app);
    cli::add_prepare(app);
    cli::add_doctor(app);
    cli::add_config(app);
    cli::add_inspect(app);
    cli::add_convert(app);
    cli::add_export(app);
    cli::add_tokenize(app);
    cli::add_completion(app);
    auto* bench = app.add_subcommand("bench", "Measure one part of the program");
    bench->require_subcommand(1);
    cli::add_bench_encoder(*bench);
    cli::add_bench_eval(*bench);
    cli::add_bench_kmeans(*bench);
    cli::add_bench_loader(*bench);
    cli::add_bench_text(*bench);
    cli::add_bench_train(*bench);
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
  } catch (const c10::OutOfMemoryError& e) {
    log::error("out of GPU memory: use smaller images or --device cpu (",
               e.what_without_backtrace(), ")");
  } catch (const c10::Error& e) {
    log::error("internal error: ", e.what_without_backtrace());
  } catch (const std::exception& e) {
    log::error(e.what());
  }
  return signals::exit_status(1);
}
