# cmake --install build: the program, the library with its headers, and the data that both read.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS pixelclip RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS pixelclip_library EXPORT pixelclip-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  NAMELINK_COMPONENT namelink INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
file(GLOB public_headers CONFIGURE_DEPENDS include/pixelclip/*.hpp)
install(FILES ${public_headers} "${PIXELCLIP_VERSION_INCLUDE}/pixelclip/version.hpp"
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/pixelclip)
file(GLOB vocabularies datasets/*.json)  # not what the demo makes below
install(FILES ${vocabularies} DESTINATION ${CMAKE_INSTALL_DATADIR}/pixelclip/datasets)
install(FILES .deps/bpe_simple_vocab_16e6.txt.gz DESTINATION ${CMAKE_INSTALL_DATADIR}/pixelclip OPTIONAL)
install(FILES LICENSE CITATION.cff DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/pixelclip)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/pixelclip)
install(EXPORT pixelclip-targets NAMESPACE pixelclip:: FILE pixelclip-config.cmake DESTINATION ${package_dir})
write_basic_package_version_file("${CMAKE_BINARY_DIR}/pixelclip-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/pixelclip-config-version.cmake" DESTINATION ${package_dir})
