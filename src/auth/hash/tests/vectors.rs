//! Tables: hashes that the real tools made, with the commands, and texts that are refused, with the words for it.

/// Hashes of real tools: above each the command that made it. The password is `secret` unless the line says else.
pub(super) const VECTORS: &[(&str, &str, &str)] = &[
    // htpasswd -nbm alice secret
    ("$apr1$U0zHXB9c$hSrgN71YQdA9g7QfAWRjN1", "secret", "apr1"),
    // htpasswd -nbm alice ''
    ("$apr1$eINoVhhA$DNZuNT3EB/K8n506jJEdI/", "", "apr1"),
    // openssl passwd -apr1 -salt abcdefgh secret
    ("$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/", "secret", "apr1"),
    // openssl passwd -apr1 -salt x secret
    ("$apr1$x$12YdXEY0/hH4rDNkmZupO0", "secret", "apr1"),
    // openssl passwd -apr1 -salt '' secret
    ("$apr1$$g/UEjvgvl9nWOQl6rNKvZ.", "secret", "apr1"),
    // openssl passwd -apr1 -salt my-salt+ secret
    ("$apr1$my-salt+$CDPhgWogqhsRmZWLH8kt40", "secret", "apr1"),
    // openssl passwd -apr1 -salt saltsalt 'pässwörd €'
    ("$apr1$saltsalt$1k1bw0Ix30rlAgKciQcoP0", "pässwörd €", "apr1"),
    // htpasswd -nbB -C 5 alice secret
    ("$2y$05$kPGIMpNU43cJaQkB8u/ni.82aDC0KBQMIa4BS/nx5u1vqgTnhOEm.", "secret", "bcrypt, cost 5"),
    // perl -e 'print crypt("secret", q($2a$04$abcdefghijklmnopqrstuu))', with libxcrypt; likewise the next three
    ("$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", "secret", "bcrypt, cost 4"),
    ("$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", "secret", "bcrypt, cost 4"),
    ("$2x$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", "secret", "bcrypt, cost 4"),
    ("$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", "secret", "bcrypt, cost 4"),
    // perl -e 'print crypt("p\xc3\xa4ss", q($2y$04$abcdefghijklmnopqrstuu))'
    ("$2y$04$abcdefghijklmnopqrstuuF7KK/SfP9IRGj0pPJMr8GdtCS8xpmpC", "päss", "bcrypt, cost 4"),
    // htpasswd -nbs alice secret
    ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "secret", "SHA-1"),
    // (printf secretNaCl | openssl dgst -sha1 -binary; printf NaCl) | base64
    ("{SSHA}dj2lH1ocucmj5OQsjP6mQrVx6FhOYUNs", "secret", "salted SHA-1"),
    // (printf secretsaltsalt | openssl dgst -sha1 -binary; printf saltsalt) | base64
    ("{SSHA}1G904nLkTkGWjKNnQuB/hpWXC/hzYWx0c2FsdA==", "secret", "salted SHA-1"),
    // printf secret | argon2 somesalt -i -t 2 -k 64 -p 1 -l 32 -v 10 -e; likewise the next five by variant and version
    (
        "$argon2i$v=16$m=64,t=2,p=1$c29tZXNhbHQ$wMhGta4OOeBeTLxl/smECG1VJTYXxA7lfQdxZZUccIQ",
        "secret",
        "argon2i, 64 KiB, t=2, p=1",
    ),
    (
        "$argon2i$v=19$m=64,t=2,p=1$c29tZXNhbHQ$Mt88by0CTKL0Nbv0t15OvBwePaNUDqkdzpUfKhQ5d7o",
        "secret",
        "argon2i, 64 KiB, t=2, p=1",
    ),
    (
        "$argon2d$v=16$m=64,t=2,p=1$c29tZXNhbHQ$rv4wxi+DBQbmT5aro7sUytliZydRtM/VGhcdWqU6n7I",
        "secret",
        "argon2d, 64 KiB, t=2, p=1",
    ),
    (
        "$argon2d$v=19$m=64,t=2,p=1$c29tZXNhbHQ$5g4dzYgo5L/2Y4gQSg3nyD0uLYcHeObZffcKoS19qu4",
        "secret",
        "argon2d, 64 KiB, t=2, p=1",
    ),
    (
        "$argon2id$v=16$m=64,t=2,p=1$c29tZXNhbHQ$sTjB82oml36hKGkoUxYyM0nuyQ5GtxdAsa7KMfMi+hg",
        "secret",
        "argon2id, 64 KiB, t=2, p=1",
    ),
    (
        "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ$NwLSKyqrGIiZOR0o1xAodvQbqYvoClGXx5cYXiW9kDY",
        "secret",
        "argon2id, 64 KiB, t=2, p=1",
    ),
    // printf secret | argon2 saltsalt -id -t 1 -k 256 -p 4 -l 16 -e
    ("$argon2id$v=19$m=256,t=1,p=4$c2FsdHNhbHQ$kNVOa6zX+DFpW6ff3fg9BQ", "secret", "argon2id, 256 KiB, t=1, p=4"),
    // printf secret | argon2 saltsaltsaltsalt -id -t 2 -k 19456 -p 1 -l 32 -e
    (
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$6G4RVhNf4sYzxbGJQzsImNwnF3BnniV+nogjylwdjiA",
        "secret",
        "argon2id, 19 MiB, t=2, p=1",
    ),
    // openssl passwd -1 -salt saltsalt secret
    ("$1$saltsalt$9xy1btjgzLYfb7hivXtC//", "secret", "MD5 crypt"),
    // openssl passwd -1 -salt saltsalt ''
    ("$1$saltsalt$5Jhcit4zN9UlGiA0txPkO0", "", "MD5 crypt"),
    // mkpasswd -m md5crypt -S abcdefgh secret
    ("$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1", "secret", "MD5 crypt"),
    // perl -e 'print crypt("secret", q($1$$))', with libxcrypt; likewise all that perl made below
    ("$1$$ysVNzQc4CTMkp5daOdZ.3/", "secret", "MD5 crypt"),
    // openssl passwd -5 -salt saltsalt secret
    ("$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA", "secret", "SHA-256 crypt, 5000 rounds"),
    // htpasswd -nb2 alice secret, of Apache 2.4.71
    ("$5$8FA3b181dCupEGyA$JukzvPA8sxQ9nuJjfIEWw4MNap5RXFfPk07jNbu2I9A", "secret", "SHA-256 crypt, 5000 rounds"),
    // mkpasswd -m sha256crypt secret
    ("$5$CmWNrXQ7EZ/..lvs$Lim3AfGfximxHvkTw6YIQw/9SrhQthwE81OODX.INw9", "secret", "SHA-256 crypt, 5000 rounds"),
    // perl -e 'print crypt("secret", q($5$$))'
    ("$5$$o1w7HPzHt8gHmL5zUzDkRqt6Az.BjDfkvuDNNLWnXx5", "secret", "SHA-256 crypt, 5000 rounds"),
    // perl -e 'print crypt("", q($5$rounds=1000$saltsaltsaltsalt))'
    ("$5$rounds=1000$saltsaltsaltsalt$HbTHCxL8uy/75gt0om1lfg98CGj2Jn.ziC7pXxHGndC", "", "SHA-256 crypt, 1000 rounds"),
    // htpasswd -nb5 -r 1000 alice secret, of Apache 2.4.71
    (
        "$6$rounds=1000$OyYkttj8J4uh6hlm$T7p4uxgylshTKizlY2gJ2JH8K1PNDTYfdHYINlPDqYtx.AqHAdJXgTZvUTv8Zbn8ezAzOfweP3fuWXdyhaNNR0",
        "secret",
        "SHA-512 crypt, 1000 rounds",
    ),
    // mkpasswd -m sha512crypt secret
    (
        "$6$Zfsw1lF8RNSPyOus$6C7J/FhckPI9/AqzjXG.DK8v6zH7kg6X9RV2m9mR.4YnNoPqU7rbZHd0GxUBuzYrxJIn5EZmcBFX5jbexOrK3.",
        "secret",
        "SHA-512 crypt, 5000 rounds",
    ),
    // mkpasswd -m sha512crypt -R 10000 secret
    (
        "$6$rounds=10000$vD0IqZQpI4P0UHwO$UXfjEJw9vE4VFeiYsdYtHrUxfhRxjKCd1Wl/o/OaLCRnG5NdNKtUyxOn3KYm.XgOZHoOMnA7gYy4F2CrrUEHC1",
        "secret",
        "SHA-512 crypt, 10000 rounds",
    ),
    // openssl passwd -6 -salt 'rounds=5000$saltsalt' secret; the same checksum as without the usual rounds
    (
        "$6$rounds=5000$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
        "secret",
        "SHA-512 crypt, 5000 rounds",
    ),
    (
        "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
        "secret",
        "SHA-512 crypt, 5000 rounds",
    ),
    // openssl passwd -6 -salt saltsalt 'pässwörd €'
    (
        "$6$saltsalt$IJF3ApjaEpb6nRgPYbAutZo9aj8lqly1n3WO4adAtlu2.Hj4WTBJAHX.Cd7vYHPudmSfuhUmRaYZS25ccvFp81",
        "pässwörd €",
        "SHA-512 crypt, 5000 rounds",
    ),
    // perl -e 'print crypt("secret", q($6$rounds=1000$$))'
    (
        "$6$rounds=1000$$ItXvd09GbF48UthMn1jgF27i.UiFK6lQrMQFgQ..At.nPPv1mKG8frk6rDmddXVUHVAV.2.X7lBqxtKoTwrXx0",
        "secret",
        "SHA-512 crypt, 1000 rounds",
    ),
    // mkpasswd secret
    ("$y$j9T$Xs2EucszdcCBZa2DvfHMU/$ktGtMzUknI.//tkMo49CvLShFqsCGcB3znnpVFisrwC", "secret", "yescrypt, 16 MiB"),
    // mkpasswd -m yescrypt -R 1 secret
    ("$y$j75$gL/cmPtQ5P.yEHUrDxsLj1$akC4TdbrXEMyILPym1nukl9DlkH0xGMB3zHDD/tjHcB", "secret", "yescrypt, 1 MiB"),
    // perl -e 'print crypt("", q($y$j75$saltsaltsaltsa1))'
    ("$y$j75$saltsaltsaltsa1$47.jIYYYtw2vKllPcQWsT2V7RHOCHcIz2u5RnPDUZ.1", "", "yescrypt, 1 MiB"),
    // perl -e 'print crypt("pässwörd €", q($y$j75$saltsaltsaltsa1))'
    ("$y$j75$saltsaltsaltsa1$SH8RXF5TGf3VyklsKYSCrXmAgfy/um0FUOMBPBIDWB.", "pässwörd €", "yescrypt, 1 MiB"),
    // perl -e 'print crypt("secret", q($y$j75$$))'
    ("$y$j75$$2ydGyJY.m3lesWesWhmcrVX27GKM4AqNwOMJADwvhjB", "secret", "yescrypt, 1 MiB"),
    // perl -e 'print crypt("secret", q($y$j3.$a.$))'
    ("$y$j3.$a.$ADuy1q9bkZLTEPB/wQGUZPjn0QGkEhcRzsJwQXOK724", "secret", "yescrypt, 8 KiB"),
    // htpasswd -nbd alice secret
    ("AkLTsy09siuoo", "secret", "DES crypt"),
    // mkpasswd -m descrypt secret
    ("Espk4JH7yiJ7U", "secret", "DES crypt"),
    // perl -e 'print crypt("secret", "zz")'; likewise the next one
    ("zz1T8N4tWvmbE", "secret", "DES crypt"),
    ("..EBVOMug1tuI", "secret", "DES crypt"),
    // perl -e 'print crypt("", "ab")'
    ("abmF1QH4PEr.E", "", "DES crypt"),
];

/// Hashes of formats that are refused by name, made by the command above each, and texts that are no hashes.
pub(super) const REFUSED: &[(&str, &str)] = &[
    // mkpasswd -m gost-yescrypt secret
    (
        "$gy$j9T$j4eXvXvqWcZgdR1alztG41$IZv.Qtd5EBWaX/tagCYbaRTm/5s5flfa4sYmsfnNlS1",
        "gost-yescrypt ($gy$) is not supported",
    ),
    // mkpasswd -m scrypt secret
    (
        "$7$CU..../....9A6c7pMBK671k0vJy7ts61$.8IprXZgb/ExbKUfhem298aJFQ49mFj74jLs0oLVgl5",
        "scrypt ($7$) is not supported",
    ),
    // mkpasswd -m sunmd5 secret
    ("$md5,rounds=79375$hCvjknVO$$X/vEZZtLnNfRyvksJ3Fwx.", "Sun's MD5 crypt ($md5) is not supported"),
    // mkpasswd -m nt secret
    ("$3$$878d8014606cda29677a44efa1353fc7", "the NT hash ($3$) is not supported"),
    // mkpasswd -m bsdicrypt secret
    ("_J9..sbc2X1ff3OaIp.w", "BSDi's DES crypt (_) is not supported"),
    ("$2$05$kPGIMpNU43cJaQkB8u/ni.82aDC0KBQMIa4BS/nx5u1vqgTnhOEm.", "the first bcrypt ($2$) is not supported"),
    ("{PLAIN}secret", "a password in plain text ({PLAIN}) is refused unless auth.allow_plaintext is true"),
    ("{SSHA512}AAAA", "{SSHA512} is not supported"),
    ("", "no hash stands after the colon"),
    ("!", "locked with * or !, no password can match"),
    ("*", "locked with * or !, no password can match"),
    ("secret", "not a known hash; a bare password is never accepted"),
    ("{sha}5en6G6MezRroT3XKqkdPOmY/BfQ=", "not a known hash; a bare password is never accepted"),
    (" $apr1$x$12YdXEY0/hH4rDNkmZupO0", "not a known hash; a bare password is never accepted"),
    ("$apr1$12YdXEY0", "damaged apr1 hash: no dollar sign between salt and checksum"),
    ("$apr1$123456789$12YdXEY0/hH4rDNkmZupO0", "damaged apr1 hash: the salt has more than 8 characters"),
    ("$apr1$a b$12YdXEY0/hH4rDNkmZupO0", "damaged apr1 hash: the salt has a character that no salt has"),
    ("$apr1$x$12YdXEY0/hH4rDNkmZupO", "damaged apr1 hash: the checksum has to have 22 characters"),
    ("$apr1$x$12YdXEY0/hH4rDNkmZupO00", "damaged apr1 hash: the checksum has to have 22 characters"),
    ("$apr1$x$12YdXEY0/hH4rDNkmZu_O0", "damaged apr1 hash: the checksum has a character that no checksum has"),
    ("$apr1$x$12YdXEY0/hH4rDNkmZupOz", "damaged apr1 hash: the checksum has a character that no checksum has"),
    ("$2y$05$kPGIMpNU43cJaQkB8u", "damaged bcrypt hash: it has to have 60 characters"),
    (
        "$2y$5$$kPGIMpNU43cJaQkB8u/ni.82aDC0KBQMIa4BS/nx5u1vqgTnhOEm.",
        "damaged bcrypt hash: the cost has to be two digits",
    ),
    (
        "$2y$+5$kPGIMpNU43cJaQkB8u/ni.82aDC0KBQMIa4BS/nx5u1vqgTnhOEm.",
        "damaged bcrypt hash: the cost has to be two digits",
    ),
    (
        "$2y$03$kPGIMpNU43cJaQkB8u/ni.82aDC0KBQMIa4BS/nx5u1vqgTnhOEm.",
        "damaged bcrypt hash: the cost has to be 4 at least",
    ),
    (
        "$2y$05$kPGIMpNU43cJaQkB8u/ni_82aDC0KBQMIa4BS/nx5u1vqgTnhOEm.",
        "damaged bcrypt hash: a character that no salt or checksum has",
    ),
    // the salt's last digit with a bit that it has no room for
    (
        "$2y$05$kPGIMpNU43cJaQkB8u/ni/82aDC0KBQMIa4BS/nx5u1vqgTnhOEm.",
        "damaged bcrypt hash: a character that no salt or checksum has",
    ),
    ("{SHA}", "damaged {SHA} hash: it has to have 28 characters of base 64"),
    ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ", "damaged {SHA} hash: not base 64"),
    ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfR=", "damaged {SHA} hash: not base 64"),
    ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ= ", "damaged {SHA} hash: not base 64"),
    ("{SHA}5en6G6MezRroT3XKqkdPOmY/", "damaged {SHA} hash: it has to have 28 characters of base 64"),
    (
        "{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "damaged {SSHA} hash: it has to be a digest of 20 bytes and a salt of 1 to 64",
    ),
    ("$argon2id$", "damaged argon2 hash: it has to have a version, costs, a salt and a tag"),
    (
        "$argon2x$v=19$m=64,t=2,p=1$c29tZXNhbHQ$NwLSKyqrGIiZOR0o1xAodvQbqYvoClGXx5cYXiW9kDY",
        "damaged argon2 hash: the variants are argon2i, argon2d and argon2id",
    ),
    (
        "$argon2id$v=20$m=64,t=2,p=1$c29tZXNhbHQ$NwLSKyqrGIiZOR0o1xAodvQbqYvoClGXx5cYXiW9kDY",
        "damaged argon2 hash: the versions are 16 and 19",
    ),
    (
        "$argon2id$v=19$t=2,m=64,p=1$c29tZXNhbHQ$NwLSKyqrGIiZOR0o1xAodvQbqYvoClGXx5cYXiW9kDY",
        "damaged argon2 hash: the costs have to be m=, t= and p=",
    ),
    (
        "$argon2id$v=19$m=64,t=2,p=1,keyid=AA$c29tZXNhbHQ$NwLSKyqrGIiZOR0o1xAodvQbqYvoClGXx5cYXiW9kDY",
        "damaged argon2 hash: the costs have to be m=, t= and p=",
    ),
    (
        "$argon2id$v=19$m=+64,t=2,p=1$c29tZXNhbHQ$NwLSKyqrGIiZOR0o1xAodvQbqYvoClGXx5cYXiW9kDY",
        "damaged argon2 hash: the costs have to be m=, t= and p=",
    ),
    (
        "$argon2id$v=19$m=64,t=2,p=9$c29tZXNhbHQ$NwLSKyqrGIiZOR0o1xAodvQbqYvoClGXx5cYXiW9kDY",
        "damaged argon2 hash: m has to be 8 times p at least, t and p at least 1",
    ),
    (
        "$argon2id$v=19$m=64,t=2,p=1$c29tZXM$NwLSKyqrGIiZOR0o1xAodvQbqYvoClGXx5cYXiW9kDY",
        "damaged argon2 hash: the salt has to be 8 to 64 bytes in base 64",
    ),
    (
        "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ$NwLSKyqrGIg",
        "damaged argon2 hash: the tag has to be 12 to 64 bytes in base 64",
    ),
    ("$1$9xy1btjgzLYfb7hivXtC//", "damaged MD5 crypt hash: no dollar sign between salt and checksum"),
    ("$1$saltsaltX$9xy1btjgzLYfb7hivXtC//", "damaged MD5 crypt hash: the salt has more than 8 characters"),
    ("$1$saltsalt$9xy1btjgzLYfb7hivXtC/", "damaged MD5 crypt hash: the checksum has to have 22 characters"),
    ("$1$saltsalt$9xy1btjgzLYfb7hivXtC/2", "damaged MD5 crypt hash: the checksum has a character that no checksum has"),
    (
        "$5$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
        "damaged SHA-256 crypt hash: no dollar sign between salt and checksum",
    ),
    (
        "$5$saltsaltsaltsaltX$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
        "damaged SHA-256 crypt hash: the salt has more than 16 characters",
    ),
    (
        "$5$salt salt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
        "damaged SHA-256 crypt hash: the salt has a character that no salt has",
    ),
    (
        "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5s",
        "damaged SHA-256 crypt hash: the checksum has to have 43 characters",
    ),
    (
        "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA$",
        "damaged SHA-256 crypt hash: the checksum has to have 43 characters",
    ),
    (
        "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sz",
        "damaged SHA-256 crypt hash: the checksum has a character that no checksum has",
    ),
    (
        "$6$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
        "damaged SHA-512 crypt hash: the checksum has to have 86 characters",
    ),
    (
        "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E_n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
        "damaged SHA-512 crypt hash: the checksum has a character that no checksum has",
    ),
    (
        "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO2",
        "damaged SHA-512 crypt hash: the checksum has a character that no checksum has",
    ),
    ("$5$rounds=5000", "damaged SHA-256 crypt hash: no dollar sign after rounds="),
    (
        "$5$rounds=$salt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
        "damaged SHA-256 crypt hash: rounds= has to be a number without a leading 0",
    ),
    (
        "$5$rounds=05000$salt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
        "damaged SHA-256 crypt hash: rounds= has to be a number without a leading 0",
    ),
    (
        "$5$rounds=+5000$salt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
        "damaged SHA-256 crypt hash: rounds= has to be a number without a leading 0",
    ),
    (
        "$5$rounds=999$salt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
        "damaged SHA-256 crypt hash: rounds= has to be 1000 at least",
    ),
    (
        "$5$rounds=1000001$salt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
        "this SHA-256 crypt hash costs too much to verify: rounds= may be 1000000 at most",
    ),
    ("$y$j75$gL/cmPtQ5P.yEHUrDxsLj1", "damaged yescrypt hash: it has to have parameters, a salt and a checksum"),
    (
        "$y$j75$gL/cmPtQ5P.yEHUrDxsLj1$akC4TdbrXEMyILPym1nukl9DlkH0xGMB3zHDD/tjHcB$",
        "damaged yescrypt hash: it has to have parameters, a salt and a checksum",
    ),
    (
        "$y$j7$gL/cmPtQ5P.yEHUrDxsLj1$akC4TdbrXEMyILPym1nukl9DlkH0xGMB3zHDD/tjHcB",
        "damaged yescrypt hash: the parameters have to be j and two numbers",
    ),
    (
        "$y$j7_$gL/cmPtQ5P.yEHUrDxsLj1$akC4TdbrXEMyILPym1nukl9DlkH0xGMB3zHDD/tjHcB",
        "damaged yescrypt hash: the parameters have to be j and two numbers",
    ),
    (
        "$y$j75$gL/cmPtQ5P.yEHUrDxsLjz$akC4TdbrXEMyILPym1nukl9DlkH0xGMB3zHDD/tjHcB",
        "damaged yescrypt hash: the salt has to be up to 64 bytes in crypt's base 64",
    ),
    (
        "$y$j75$gL/cmPtQ5P.yEHUrDxsLj1$akC4TdbrXEMyILPym1nukl9DlkH0xGMB3zHDD/tjHc",
        "damaged yescrypt hash: the checksum has to have 43 characters",
    ),
    (
        "$y$j75$gL/cmPtQ5P.yEHUrDxsLj1$akC4TdbrXEMyILPym1nukl9DlkH0xGMB3zHDD/tjHcz",
        "damaged yescrypt hash: the checksum has a character that no checksum has",
    ),
    // perl -e 'print crypt("secret", q($y$j75.0$a.$))': p = 4; the next one has t = 1, the last another flavour
    (
        "$y$j75.0$a.$HfcCLKWkg8fU699R7YSOdlFhYsUc0aSuGX11H9R6mw.",
        "yescrypt with other parameters than j, N and r is not supported",
    ),
    (
        "$y$j75/.$a.$uBlG5/CV5AcBIxWtl10eddHhfNOajGK8NQfoCO/l/K1",
        "yescrypt with other parameters than j, N and r is not supported",
    ),
    (
        "$y$.75$a.$uBlG5/CV5AcBIxWtl10eddHhfNOajGK8NQfoCO/l/K1",
        "yescrypt with other parameters than j, N and r is not supported",
    ),
    // mkpasswd -m yescrypt -R 11 secret: its highest cost, a GiB
    (
        "$y$jFT$V94zWD8CNfuoINYCgmy7c/$8bEjLcspwDs9hUv0ptTpouW9btTwVvFTfRZruC4KGU.",
        "this yescrypt hash costs too much to verify: its memory, 128 times N times r, may be 256 MiB at most",
    ),
    // a password of 13 letters, as likely as a hash
    ("13lettersxxxx", "damaged DES crypt hash: it has an end that no checksum has"),
    ("AkLTsy09siuo", "not a known hash; a bare password is never accepted"),
    ("AkLTsy09siuooo", "not a known hash; a bare password is never accepted"),
    ("Ak_Tsy09siuoo", "not a known hash; a bare password is never accepted"),
];
