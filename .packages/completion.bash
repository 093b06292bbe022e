# bash completion of clp_sambamon and clp_nfsmon: the options come from --help,
# the identifiers from -list, so there is nothing to keep up to date here.
_fsmon() {
	local command=${COMP_WORDS[0]} word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
	case $before in
	--credentials | --keytab | --ccache | --tls-ca | --tls-cert | --tls-key | --log-file | --metrics-file | --evidence-dir | --marker)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	--nfs-version)
		mapfile -t COMPREPLY < <(compgen -W "auto 3 4 4.0 4.1 4.2" -- "$word")
		return
		;;
	--sec)
		mapfile -t COMPREPLY < <(compgen -W "sys krb5 krb5i krb5p" -- "$word")
		return
		;;
	--tolerate)
		mapfile -t COMPREPLY < <(compgen -W "account access path kdc" -- "$word")
		return
		;;
	--exit-style)
		mapfile -t COMPREPLY < <(compgen -W "nagios ocf" -- "$word")
		return
		;;
	esac
	if [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$("$command" --help 2>/dev/null | grep -oE -- '(^|[ ,])--?[a-z][a-z0-9-]*' | tr -d ' ,' | sort -u)" -- "$word")
	elif [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$("$command" -list --json 2>/dev/null | grep -oE '"id": ?"[^"]*"' | cut -d'"' -f4)" -- "$word")
	fi
}
complete -F _fsmon clp_sambamon clp_nfsmon
