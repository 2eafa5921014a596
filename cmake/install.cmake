# What `make install` and the Debian package put where, by GNU's directories.
include(GNUInstallDirs)

install(TARGETS agent RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES packaging/sluice.service DESTINATION lib/systemd/system)
# Beside the prefix, not below it: /usr and /etc. CPack would put an absolute path into
# the system that builds the package.
install(FILES packaging/agent.yaml DESTINATION ../etc/sluice)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/sluice RENAME copyright)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/sluice FILES_MATCHING PATTERN "*.md")
install(DIRECTORY config/examples DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/sluice)

# The manual page, compressed without a time in it; completions, written by the program.
find_program(GZIP gzip REQUIRED)
install(CODE "
  set(share \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}\")
  file(MAKE_DIRECTORY \"\${share}/man/man1\" \"\${share}/bash-completion/completions\"
       \"\${share}/zsh/vendor-completions\" \"\${share}/fish/vendor_completions.d\")
  execute_process(COMMAND ${GZIP} -9nc ${CMAKE_SOURCE_DIR}/packaging/agent.1
                  OUTPUT_FILE \"\${share}/man/man1/agent.1.gz\" COMMAND_ERROR_IS_FATAL ANY)
  foreach(one IN ITEMS \"bash|bash-completion/completions/agent\" \"zsh|zsh/vendor-completions/_agent\"
          \"fish|fish/vendor_completions.d/agent.fish\")
    string(REPLACE \"|\" \";\" pair \"\${one}\")
    list(GET pair 0 shell)
    list(GET pair 1 place)
    execute_process(COMMAND $<TARGET_FILE:agent> completion \${shell}
                    OUTPUT_FILE \"\${share}/\${place}\" COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME sluice)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION}+git${revision_built})
set(CPACK_PACKAGE_CONTACT "Sluice <sluice@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "ca-certificates, tzdata")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    "${CMAKE_SOURCE_DIR}/packaging/debian/postinst;${CMAKE_SOURCE_DIR}/packaging/debian/prerm;${CMAKE_SOURCE_DIR}/packaging/debian/conffiles")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
