package Test::Gate;

# A test's world: a directory of its own with a CA, certificates, a country
# database, a real Redis and real nginx, all on free ports of 127.0.0.1 or unix
# sockets.  Everything ends with the test, by its own pid; done() asserts that
# no error log holds what must never be there.
#
#   my $t = Test::Gate->new;
#   $t->certificate('alice', email => 'alice@example.jp');
#   $t->countries('203.0.113.0/24' => 'JP');
#   my $redis = $t->redis;
#   my $nginx = $t->nginx($t->conf(http => ..., server => ...));
#   is($t->get('/file', cert => 'alice', from => '203.0.113.1')->{status}, 200);
#   $t->done;

use strict;
use warnings;

use Cwd qw(abs_path);
use Fcntl qw(LOCK_EX);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp ();
use IO::Socket::INET;
use Scalar::Util qw(weaken);
use Test::More ();
use Time::HiRes qw(sleep time);

use Test::Gate::Backend;
use Test::Gate::Browser;
use Test::Gate::Client;
use Test::Gate::Countries;
use Test::Gate::Forged;
use Test::Gate::Nginx;
use Test::Gate::Prometheus;
use Test::Gate::Redis;

my $top = abs_path(dirname(__FILE__) . '/../../..');

$SIG{PIPE} = 'IGNORE';

# Whoever ends a test ends what it has started, too.  In an END block, while
# all objects are still there: at global destruction they go in no order.

$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);

my @worlds;

END { my $exit = $?; $_ && $_->stop for @worlds; $? = $exit }

sub new {
    my ($class) = @_;

    my $dir = File::Temp->newdir('gate-test-XXXXXX', TMPDIR => 1,
                                 CLEANUP => !$ENV{TEST_KEEP});
    my $self = bless { temp => $dir, dir => "$dir", pid => $$,
                       nginx => [], redis => [], backend => [],
                       ports => {} }, $class;

    push @worlds, $self;
    weaken $worlds[-1];

    make_path(map { "$dir/$_" } qw(temp docs));
    $ENV{ASAN_OPTIONS} = "log_path=$dir/sanitizer.asan"
        if $ENV{TEST_SANITIZE};
    $ENV{VALGRIND_OPTS} = "--log-file=$dir/sanitizer.memcheck.%p"
        if $ENV{TEST_MEMCHECK};
    $self->{port} = $self->port;
    Test::More::diag("kept: $dir") if $ENV{TEST_KEEP};

    return $self;
}

sub top { return $top }
sub dir { return $_[0]{dir} }

# The module: $TEST_MODULE, or what module/build left.

sub module {
    my ($self) = @_;

    return $ENV{TEST_MODULE} // $self->{module}
           // "$top/build/ngx_http_gate_module.so";
}

# From now on it is one file by file: optimized as a whole it has not all
# functions where a debugger looks for them.

sub file_by_file {
    my ($self) = @_;

    return if $ENV{TEST_MODULE};

    my $build = "$top/build/debugged";

    make_path($build);
    open my $lock, '>', "$build/lock" or die "$build/lock: $!";
    flock $lock, LOCK_EX or die "flock: $!";

    system("GATE_BUILD=$build GATE_CFLAGS= $top/module/build "
           . "> $build/log 2>&1") == 0
        or die $self->read_file("$build/log");

    $self->{module} = "$build/ngx_http_gate_module.so";
}

# What ASan finds is in files of this test, whoever it was; UBSan, where both are
# there, knows stderr only, as ASan does in a new binary.  Memcheck has a file of
# each process, empty if there is nothing to say.

sub sanitizer_reports {
    my ($self) = @_;

    my @reports = grep { length } map { $self->read_file($_) }
                  glob "$self->{dir}/sanitizer.*";

    Test::More::diag($_) for @reports;

    return scalar @reports;
}

# A port that is free, and not given twice.  It is not one of those the kernel
# gives to clients, and a UDP socket on it keeps other tests away meanwhile.

sub port {
    my ($self) = @_;

    while (1) {
        my $port = 10000 + int rand 20000;
        my %at = (LocalAddr => '127.0.0.1', LocalPort => $port);

        my $mark = IO::Socket::INET->new(%at, Proto => 'udp') or next;
        my $free = IO::Socket::INET->new(%at, Listen => 1) or next;

        $self->{ports}{$port} = $mark;
        return $port;
    }
}

sub write_file {
    my ($self, $name, $content) = @_;

    my $file = $name =~ m{^/} ? $name : "$self->{dir}/$name";
    make_path(dirname($file));
    open my $fh, '>:raw', "$file.new" or die "$file: $!";
    print $fh $content;
    close $fh or die "$file: $!";
    rename "$file.new", $file or die "$file: $!";

    return $file;
}

sub read_file {
    my ($self, $name) = @_;

    my $file = $name =~ m{^/} ? $name : "$self->{dir}/$name";
    open my $fh, '<:raw', $file or return '';
    local $/;
    return <$fh> // '';
}

# A document that looks random, does not compress, and is the same each time.

sub document {
    my ($self, $name, $size) = @_;

    srand(length($name) + $size);
    my $block = join '', map { chr int rand 256 } 1 .. ($size < 65536
                                                        ? $size : 65536);
    my $content = $block x (1 + int($size / (length($block) || 1)));
    $self->write_file("docs/$name", substr($content, 0, $size));

    return substr($content, 0, $size);
}

# Makes a CA (once) and a certificate of it, with its key, in "name.pem".
#   cn, email, days, subject (a list of "-subj" style text), ca => 'name',
#   self => 1 (self-signed), extra => "more lines of the extensions",
#   config => "a whole [dn] section", utf8 => 1, authority => 1 (CA:TRUE),
#   key => [ options of "openssl req" for it ], with => 'name' of a CA that
#   stands in the file, too, as clients send it

sub certificate {
    my ($self, $name, %o) = @_;

    my $dir = $self->{dir};
    my $ca = $o{ca} // 'ca';
    $self->ca($ca) unless $o{self} || -e "$dir/$ca.pem";

    my $cn = $o{cn} // $name;
    my $dn = $o{config} // "CN = $cn\n";
    my $san = join ',', map { "email:$_" }
                        ref $o{email} ? @{ $o{email} } : $o{email} // ();
    $san = 'DNS:localhost,IP:127.0.0.1' if $o{server};

    $self->write_file("$name.cnf", join "\n",
        '[req]', 'prompt = no', 'distinguished_name = dn',
        'string_mask = ' . ($o{mask} // 'utf8only'), 'utf8 = yes',
        '[dn]', $dn,
        '[ext]', 'basicConstraints = CA:'
                 . ($o{authority} ? 'TRUE' : 'FALSE'),
        $san ? "subjectAltName = $san" : (), $o{extra} // (), '');

    my @days = defined $o{days} ? ('-days', $o{days}) : ('-days', 30);

    my @key = @{ $o{key} // [ '-newkey', 'ec', '-pkeyopt',
                              'ec_paramgen_curve:P-256' ] };

    $self->openssl('req', '-x509', @key, '-nodes', '-utf8', @days,
                   '-config', "$dir/$name.cnf", '-extensions', 'ext',
                   '-keyout', "$dir/$name.key", '-out', "$dir/$name.crt",
                   $o{self} ? () : ('-CA', "$dir/$ca.pem",
                                    '-CAkey', "$dir/$ca.key"));
    $self->write_file("$name.pem", join '', map { $self->read_file($_) }
                      "$name.crt", $o{with} ? "$o{with}.pem" : (),
                      "$name.key");

    return "$dir/$name.pem";
}

# by => 'name' of the CA that signs it, extra => "lines of the extensions"

sub ca {
    my ($self, $name, %o) = @_;

    my $dir = $self->{dir};

    $self->write_file("$name.cnf", join "\n",
        '[req]', 'prompt = no', 'distinguished_name = dn',
        '[dn]', "CN = $name", '[ext]', 'basicConstraints = critical,CA:TRUE',
        $o{extra} // (), '');
    $self->openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt',
                   'ec_paramgen_curve:P-256', '-nodes', '-days', 30,
                   '-config', "$dir/$name.cnf", '-extensions', 'ext',
                   '-keyout', "$dir/$name.key", '-out', "$dir/$name.pem",
                   $o{by} ? ('-CA', "$dir/$o{by}.pem",
                             '-CAkey', "$dir/$o{by}.key") : ());

    return "$dir/$name.pem";
}

# The serial number of a certificate or a CA, as bytes.

sub serial {
    my ($self, $name) = @_;

    my $file = -e "$self->{dir}/$name.crt" ? "$name.crt" : "$name.pem";

    return qx(openssl x509 -noout -serial -in $self->{dir}/$file)
           =~ /=([0-9A-F]+)/ ? pack 'H*', $1 : die "$name: no serial number";
}

# A CRL of a CA, PEM if not der => 1; its text.  Test::Gate::Forged says what it
# may have in it; "revoked" names certificates here.

sub crl {
    my ($self, $ca, %o) = @_;

    my $dir = $self->{dir};

    $o{serials} = [ @{ $o{serials} // [] },
                    map { $self->serial($_) } @{ $o{revoked} // [] } ];

    my $der = Test::Gate::Forged::crl(ca => $ca, %o, sign => sub {
        my $file = $self->write_file('forged.tbs', $_[0]);
        my $key = $o{key} // $ca;
        $self->openssl('dgst', '-sha256', '-sign', "$dir/$key.key",
                       '-out', "$file.signature", $file);
        return $self->read_file("$file.signature");
    });

    return $o{der} ? $der : Test::Gate::Forged::pem($der, 'X509 CRL');
}

# A certificate of the CA with names as they are given, in "name.pem":
# Test::Gate::Forged says how.

sub forge {
    my ($self, $name, %o) = @_;

    my $dir = $self->{dir};

    $self->certificate('forged') unless -e "$dir/forged.key";
    $self->openssl('pkey', '-in', "$dir/forged.key", '-pubout', '-outform',
                   'DER', '-out', "$dir/forged.der")
        unless -e "$dir/forged.der";

    my $pem = Test::Gate::Forged::certificate(
        ca => 'ca', key => $self->read_file('forged.der'), %o, sign => sub {
            my $file = $self->write_file('forged.tbs', $_[0]);
            $self->openssl('dgst', '-sha256', '-sign', "$dir/ca.key",
                           '-out', "$file.signature", $file);
            return $self->read_file("$file.signature");
        });

    return $self->write_file("$name.pem",
                             $pem . $self->read_file('forged.key'));
}

sub openssl {
    my ($self, @args) = @_;

    my $log = "$self->{dir}/openssl.log";
    my $pid = fork // die "fork: $!";

    if (!$pid) {
        open STDOUT, '>>', $log;
        open STDERR, '>>', $log;
        exec 'openssl', @args;
        exit 127;
    }

    waitpid $pid, 0;
    die "openssl @args: " . $self->read_file($log) if $?;
}

sub countries {
    my ($self, %networks) = @_;

    return Test::Gate::Countries::write("$self->{dir}/country.mmdb",
                                        %networks);
}

sub redis {
    my ($self, %o) = @_;

    my $redis = Test::Gate::Redis->new(test => $self, dir => $self->{dir},
                                       name => 'redis' . @{ $self->{redis} },
                                       %o);
    push @{ $self->{redis} }, $redis;

    $redis->open unless $o{fresh};

    return $redis;
}

# Rules of an ACL user, of those lines of the README that match.

sub rules {
    my ($self, $password, $lines) = @_;

    my $rules = join ' ', grep { /$lines/ }
                $self->read_file("$top/README.md")
                =~ /^    ACL SETUSER gate (.*)$/mg;

    return $rules =~ s/>\S+/>$password/r;
}

# Sets a hold as the README has it, or with undef lifts it.

sub hold {
    my ($self, $redis, $id, $what) = @_;

    $redis->command(defined $what ? ('HSET', 'gate:holds', $id, $what)
                                  : ('HDEL', 'gate:holds', $id));
    $redis->command('PUBLISH', 'gate:holds',
                    $redis->command('HINCRBY', 'gate:holds', 'version', 1));
}

# A name server for these names; answers its port.

sub dns {
    my ($self, %names) = @_;

    my $port = $self->port;
    my $hosts = $self->write_file('dns.hosts', join '', map {
        "$names{$_} $_\n" } sort keys %names);

    delete $self->{ports}{$port};

    my $pid = fork // die "fork: $!";

    if (!$pid) {
        $ENV{PATH} .= ':/usr/sbin';
        open STDERR, '>', "$self->{dir}/dns.log";
        exec 'dnsmasq', '--keep-in-foreground', '--conf-file=/dev/null',
             "--port=$port", '--listen-address=127.0.0.1',
             '--bind-interfaces', '--no-resolv', '--no-hosts',
             "--addn-hosts=$hosts", '--pid-file=', '--user=root';
        exit 127;
    }

    push @{ $self->{dns} }, $pid;

    $self->wait_for(sub {
        IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
    }) or die 'dnsmasq does not start: ' . $self->read_file('dns.log');

    return $port;
}

# The environment in which a program's wall clock is so many seconds ahead.

sub clock {
    my ($self, $seconds) = @_;

    my $so = "$self->{dir}/clock.so";

    -e $so || !system('cc', '-shared', '-fPIC', '-o', $so,
                      "$top/t/lib/Test/Gate/clock.c")
        or die 'clock.c does not compile';

    return (LD_PRELOAD => $so, GATE_CLOCK => $seconds);
}

# A server on "name.sock" that answers by a function: Test::Gate::Backend.

sub backend {
    my ($self, $name, $answer, %o) = @_;

    my $backend = Test::Gate::Backend->new(dir => $self->{dir}, name => $name,
                                           answer => $answer, %o);
    push @{ $self->{backend} }, $backend;

    return $backend;
}

# A Chromium: Test::Gate::Browser.

sub browser {
    my ($self) = @_;

    return $self->{browser} //= Test::Gate::Browser->new(test => $self);
}

# A Prometheus with this configuration file: Test::Gate::Prometheus.

sub prometheus {
    my ($self, $config) = @_;

    return $self->{prometheus} = Test::Gate::Prometheus->new(test => $self,
                                                         config => $config);
}

# A whole nginx.conf: http and server are what the test adds to it.  %%DIR%%
# and %%PORT%% are put in by nginx().

sub conf {
    my ($self, %o) = @_;

    $self->certificate('localhost', server => 1)
        unless -e "$self->{dir}/localhost.pem";

    my $server = $o{server} // '';
    my $http = $o{http} // '';
    my $verify = $o{verify} // 'optional';
    my $listen = $o{listen} // '';

    return <<"END";
worker_processes  @{[ $o{workers} // 2 ]};
$listen
events { worker_connections  1024; }

http {
    access_log  off;

    log_format  gate  '\$status "\$gate_verdict" "\$gate_reason" '
                      '"\$gate_policy" "\$gate_user" "\$gate_country" '
                      '\$body_bytes_sent \$uri';

    set_real_ip_from  127.0.0.1;
    real_ip_header    X-Forwarded-For;

    gate_geoip  %%DIR%%/country.mmdb;

$http

    server {
        listen       127.0.0.1:%%PORT%% ssl http2;
        server_name  localhost;

        ssl_certificate         %%DIR%%/localhost.pem;
        ssl_certificate_key     %%DIR%%/localhost.pem;
        ssl_client_certificate  %%DIR%%/ca.pem;
        ssl_verify_client       $verify;

        access_log  %%DIR%%/access.log gate;
        root        %%DIR%%/docs;

$server
    }
}
END
}

sub nginx {
    my ($self, $conf, %o) = @_;

    my $nginx = Test::Gate::Nginx->new(test => $self,
                                       name => 'nginx' . @{ $self->{nginx} },
                                       port => $self->{port}, %o);
    push @{ $self->{nginx} }, $nginx;
    $nginx->start($conf);

    return $nginx;
}

# "nginx -t": its exit code and what it says

sub nginx_t {
    my ($self, $conf) = @_;

    return Test::Gate::Nginx->new(test => $self, name => 'check',
                                  port => $self->{port})->check($conf);
}

# One request over HTTP/1.1: status, headers, body, and whether it is whole.
#   cert => 'alice', from => address, method, headers => {...}, body, port

sub get {
    my ($self, $uri, %o) = @_;

    my $client = $self->client(%o);
    return { status => 0, body => '', headers => {}, whole => 0 }
        unless $client;

    return $client->request($uri, %o);
}

# A connection that is kept.

sub client {
    my ($self, %o) = @_;

    $o{cert} = "$self->{dir}/$o{cert}.pem" if $o{cert} && $o{cert} !~ m{/};

    return Test::Gate::Client->new(port => $self->{port}, %o);
}

# A connection that this worker serves; "/pid" must say which one does.

sub client_of {
    my ($self, $worker, %o) = @_;

    my $client;

    $self->wait_for(sub {
        $client = $self->client(%o) or return 0;
        return $client->request('/pid')->{body} eq $worker;
    }) or die "no connection to worker $worker";

    return $client;
}

# One request by curl, for HTTP/2 and what else it can: "options" are its own.

sub curl {
    my ($self, $uri, %o) = @_;

    $o{cert} = "$self->{dir}/$o{cert}.pem" if $o{cert} && $o{cert} !~ m{/};

    return Test::Gate::Client::curl($self->{dir}, $o{port} // $self->{port},
                                    $uri, %o);
}

# One request over HTTP 1.1 or 2 of a user that a header names, for policies
# with "user $http_x_user".

sub as {
    my ($self, $http, $user, $uri, %o) = @_;

    my %headers = (%{ $o{headers} // {} }, 'X-User' => $user);

    return $self->get($uri, %o, headers => \%headers) if $http eq '1.1';

    my @options = map { ('-H', "$_: $headers{$_}") } sort keys %headers;

    push @options, $o{method} eq 'HEAD' ? '-I' : ('-X', $o{method})
        if $o{method};
    push @options, '--data-binary', '@' . $self->write_file('body', $o{body})
        if defined $o{body};

    my $r = $self->curl($uri, %o, http => $http,
                        options => [ @options, @{ $o{options} // [] } ]);

    # curl shows the header of a HEAD as a body
    $r->{body} = '' if ($o{method} // '') eq 'HEAD';

    return $r;
}

# Many at once by one curl, over one connection where it is HTTP/2; its
# options are for all.  A list of { status, bytes, exit, connects }, in order.

sub curls {
    my ($self, $uris, %o) = @_;

    my $port = $o{port} // $self->{port};
    my $conf = $self->write_file("curls.$$", join '', map {
        qq(url = "https://127.0.0.1:$port$_"\noutput = "/dev/null"\n)
    } @$uris);
    my @args = ('-q', '-s', '--stderr', '/dev/null', '--insecure',
                '--max-time', 60, '--parallel', '--parallel-max',
                scalar @$uris,
                ($o{http} // 2) eq '1.1' ? '--http1.1' : '--http2',
                '-w', '%{urlnum} %{http_code} %{size_download} %{exitcode} '
                      . '%{num_connects}\n',
                @{ $o{options} // [] }, '-K', $conf);

    open my $said, '-|', 'curl', @args or die "curl: $!";
    my @r;

    while (<$said>) {
        my ($n, $status, $bytes, $exit, $connects) = split;
        $r[$n] = { status => $status, bytes => $bytes, exit => $exit,
                   connects => $connects };
    }

    close $said;

    return @r;
}

# Runs code in so many processes at once; what each of them returned, one
# string each, in order.

sub parallel {
    my ($self, $n, $code) = @_;

    my (@pids, @said);

    for my $child (0 .. $n - 1) {
        my $pid = fork // die "fork: $!";

        if (!$pid) {
            $self->write_file("parallel.$child", eval { $code->($child) }
                                                 // "died: $@");
            kill KILL => $$;
        }

        push @pids, $pid;
    }

    waitpid $_, 0 for @pids;

    for my $child (0 .. $n - 1) {
        push @said, $self->read_file("parallel.$child");
        unlink "$self->{dir}/parallel.$child";
    }

    return @said;
}

# The offset of calendar windows at which it was about noon when the test began,
# so that no day ends during it: the same for all of its configurations.

sub noon { return $_[0]{noon} //= sprintf 'offset=%dh', 12 - (gmtime)[2] }

# Waits for a condition; its last value.  Where nginx is slow, $TEST_PATIENCE says
# how many times as long.

sub wait_for {
    my ($self, $condition, $seconds) = @_;

    my $deadline = time + ($seconds // 15) * ($ENV{TEST_PATIENCE} // 1);
    my $value;

    until ($value = $condition->()) {
        return $value if time > $deadline;
        sleep 0.01;
    }

    return $value;
}

# The last line of the access log, once it has as many: nginx writes it when
# the client has the answer already.

sub logged {
    my ($self, $lines, $file) = @_;

    my @log;

    $self->wait_for(sub {
        @log = split /\n/, $self->read_file($file // 'access.log');
        return @log >= $lines;
    });

    return $log[$lines - 1] // '';
}

# A metric of "/metrics", once it is what is expected, or as it is after a while:
# requests are counted when they are over.

sub metric {
    my ($self, $name, $want, %o) = @_;

    my $value;

    $self->wait_for(sub {
        my $body = $self->get('/metrics', %o)->{body};

        ($value) = $body =~ /^nginx_gate_\Q$name\E (\S+)$/m;
        return defined $value && $value == $want;
    }, 8);

    return $value;
}

# What Redis has of a quota: granted to all nodes in all windows it knows.

sub granted {
    my ($self, $redis, $account, $quota) = @_;

    my %hash = @{ $redis->command('HGETALL', "gate:$account") || [] };
    my $sum = 0;

    for (keys %hash) {
        $sum += $hash{$_} if /^\Q$quota\E:\d+$/;
    }

    return $sum;
}

sub settled {
    my ($self, $redis, $account, $quota, $units) = @_;

    my $granted;

    $self->wait_for(sub {
        $granted = $self->granted($redis, $account, $quota);
        return $granted == $units;
    }, 8);

    return $granted;
}

# What Redis has of an account's bytes and requests of the day, "n m", once it
# is what is expected, or as it is after a while.

sub taken {
    my ($self, $redis, $account, $bytes, $requests) = @_;

    my $taken;

    $self->wait_for(sub {
        $taken = join ' ', map { $self->granted($redis, $account, $_) }
                               'bytes-day', 'requests-day';
        return $taken eq "$bytes $requests";
    }, 8);

    return $taken;
}

# Ends everything; every error log must be clean.

sub done {
    my ($self) = @_;

    for my $nginx (@{ $self->{nginx} }) {
        $nginx->stop;
        Test::More::is($nginx->faults, '', "$nginx->{name}: no alerts");
    }

    Test::More::is($self->sanitizer_reports, 0, 'no reports of sanitizers');

    $_->stop for @{ $self->{redis} }, @{ $self->{backend} };

    Test::More::done_testing();
}

sub DESTROY { local $?; $_[0]->stop }

sub stop {
    my ($self) = @_;

    return unless $$ == $self->{pid};

    $_ && $_->stop for $self->{browser}, $self->{prometheus},
                       @{ $self->{nginx} }, @{ $self->{redis} },
                       @{ $self->{backend} };

    for my $pid (splice @{ $self->{dns} // [] }) {
        kill TERM => $pid;
        waitpid $pid, 0;
    }
}

1;
