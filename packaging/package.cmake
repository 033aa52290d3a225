# What is installed where, and the Debian package. Build it with: cpack --config build/release/CPackConfig.cmake
#
# The package is built from the release preset, whose prefix is /usr; with another prefix the unit's paths, which are
# those of the package, have to be changed by hand.

set(STARGAZER_ETC ${CMAKE_INSTALL_FULL_SYSCONFDIR}/stargazer-scheduler)
set(STARGAZER_DOC ${CMAKE_INSTALL_DATADIR}/doc/stargazer-scheduler)

install(FILES config/stargazer-scheduler.toml DESTINATION ${STARGAZER_ETC})
install(DIRECTORY DESTINATION ${STARGAZER_ETC}/conf.d)
install(FILES include/stargazer/plugin.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/stargazer)
install(DIRECTORY DESTINATION ${STARGAZER_PLUGIN_DIR})
install(FILES config/tasks.toml DESTINATION ${CMAKE_INSTALL_DATADIR}/stargazer-scheduler)
install(FILES systemd/stargazer-scheduler.service DESTINATION lib/systemd/system)
install(FILES systemd/stargazer-scheduler.sysusers.conf DESTINATION lib/sysusers.d
        RENAME stargazer-scheduler.conf)
install(FILES LICENSE DESTINATION ${STARGAZER_DOC} RENAME copyright)
install(FILES README.md CHANGELOG.md DESTINATION ${STARGAZER_DOC})
install(DIRECTORY docs DESTINATION ${STARGAZER_DOC} FILES_MATCHING PATTERN "*.md" PATTERN man EXCLUDE)
install(FILES docs/man/stargazer-scheduler.8 docs/man/stargazer-worker.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(DIRECTORY config/examples DESTINATION ${STARGAZER_DOC} OPTIONAL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/package)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
# Whatever the umask of whoever builds it.
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
                                                WORLD_READ WORLD_EXECUTE)
set(CPACK_PACKAGE_CONTACT "Stargazer scheduler maintainers <stargazer-scheduler@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "scheduler daemon of the chat bot Stargazer")
set(CPACK_PACKAGE_DESCRIPTION
    "Runs periodic jobs behind gates, contends for a leader lease in Redis, keeps
supervised workers alive while it is the leader, and publishes the systemd
journal to Redis.")

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Beside the libraries: the unit needs systemd, and its sysusers run at installation.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd (>= 252)")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "redis-server | valkey-server")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "python3")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
foreach(SCRIPT conffiles postinst prerm postrm)
  list(APPEND CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_LIST_DIR}/debian/${SCRIPT})
endforeach()
include(CPack)
